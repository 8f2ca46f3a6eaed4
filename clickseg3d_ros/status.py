"""What the node tells on /diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.time import Time

from clickseg3d_ros.scene import Scene


@dataclass(slots=True, kw_only=True)
class Status:
    """Counters, times and the last thing that went wrong.

    Written by the session thread, except for `clouds_received`, which the executor counts.
    """

    mode: str = "waiting for a cloud"
    clouds_received: int = 0
    clouds_prepared: int = 0
    clouds_refused: int = 0
    clicks_accepted: int = 0
    clicks_rejected: int = 0
    results: int = 0
    points: int = 0
    voxel_size: float = 0.0
    convert_ms: float = 0.0
    encode_ms: float = 0.0
    decode_ms: float = 0.0
    publish_ms: float = 0.0
    result_ms: float = 0.0
    reliability: str = ""
    cloud_error: str = ""
    click_error: str = ""
    result_error: str = ""
    lost: tuple[int, ...] = ()
    objects: tuple[int, ...] = ()
    active_id: int = 1

    def describe_scene(self, scene: Scene | None) -> None:
        """Take the facts about the held cloud."""
        if scene is None:
            return
        self.points, self.convert_ms = len(scene.cloud), scene.convert_ms
        self.encode_ms = scene.encode_ms
        if scene.encoding is not None:
            self.voxel_size = scene.encoding.voxel_size

    def message(self, name: str, stamp: Time, max_result_ms: float) -> DiagnosticArray:
        """As a message for /diagnostics.

        Args:
            name: Of the node, with namespace.
            stamp: Now.
            max_result_ms: A slower result is a warning, milliseconds.
        """
        level, text = self._summary(max_result_ms)
        status = DiagnosticStatus(
            level=level, name=f"{name}: segmentation", message=text, hardware_id="clickseg3d"
        )
        status.values = [KeyValue(key=key, value=value) for key, value in self._values().items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = stamp.to_msg()
        return array

    def _summary(self, max_result_ms: float) -> tuple[bytes, str]:
        if self.cloud_error:
            return DiagnosticStatus.ERROR, f"cloud refused: {self.cloud_error}"
        if self.result_error:
            return DiagnosticStatus.ERROR, f"no result: {self.result_error}"
        if self.click_error:
            return DiagnosticStatus.WARN, f"click rejected: {self.click_error}"
        if self.lost:
            return DiagnosticStatus.WARN, f"lost: {', '.join(map(str, self.lost))}"
        if self.result_ms > max_result_ms:
            return DiagnosticStatus.WARN, f"slow: a click took {self.result_ms:.0f} ms"
        return DiagnosticStatus.OK, self.mode

    def _values(self) -> dict[str, str]:
        return {
            "state": self.mode,
            "input reliability": self.reliability,
            "clouds received": str(self.clouds_received),
            "clouds prepared": str(self.clouds_prepared),
            "clouds refused": str(self.clouds_refused),
            "clicks accepted": str(self.clicks_accepted),
            "clicks rejected": str(self.clicks_rejected),
            "results": str(self.results),
            "objects": ", ".join(map(str, self.objects)),
            "active object": str(self.active_id),
            "lost objects": ", ".join(map(str, self.lost)),
            "points": str(self.points),
            "voxel size [m]": f"{self.voxel_size:.4g}",
            "convert [ms]": f"{self.convert_ms:.1f}",
            "encode [ms]": f"{self.encode_ms:.1f}",
            "decode [ms]": f"{self.decode_ms:.1f}",
            "publish [ms]": f"{self.publish_ms:.1f}",
            "click to result [ms]": f"{self.result_ms:.1f}",
            "last cloud error": self.cloud_error,
            "last click rejection": self.click_error,
            "last result error": self.result_error,
        }
