"""Names that mesh libraries use, mapped to our classes."""

from __future__ import annotations

from clickseg3d_core.classes import CLASS_IDS

_ALIASES: dict[str, str] = {
    "wall": "column truss building apartment block_wall",
    "floor": "rug road sidewalk terrain platform ramp pier asphalt parking ground",
    "ceiling": "roof",
    "door": "door_frame door_handle elevator gate",
    "window": "air_vent shop_window",
    "curtain": "blind shower_curtain",
    "picture": "painting poster portrait mirror whiteboard clock",
    "cabinet": "drawers wardrobe dresser night_stand cupboard locker",
    "shelf": "bookshelf display_stand rack dish_rack spice_rack ladder stairs",
    "table": "desk workbench",
    "chair": "stool bench armchair office_chair wheelchair",
    "sofa": "couch",
    "bed": "mattress crib weight_bench",
    "counter": "kitchen_counter bar",
    "sink": "basin bathtub washbasin",
    "toilet": "urinal",
    "lamp": "chandelier ceiling_lamp light",
    "screen": "television monitor tablet laptop phone computer",
    "appliance": "refrigerator stove oven range_hood air_conditioner machine washer microwave",
    "box": "container carton crate tote pallet basket trash_bin dumpster mailbox",
    "bag": "backpack handbag trash_bag suitcase",
    "book": "books magazine paper",
    "bottle": "can spray_bottle",
    "tableware": (
        "cup mug bowl plate pan pan_lid pitcher fork knife spoon spatula tray pot glass teapot "
        "kitchen_utensils tin"
    ),
    "toy": "ball toy_block dice marbles ornament goal playground wood_block barbell",
    "tool": (
        "drill hammer wrench screwdriver scissors clamp padlock marker chain valve pipe hose "
        "wood_beam pallet_jack sponge pliers tape"
    ),
    "food": "apple banana lemon orange peach pear plum strawberry bread fruit",
    "pillow": "cushion blanket towel",
    "plant": "flower potted_plant bush",
    "person": "man woman human",
    "vehicle": "car truck bus ambulance airplane bicycle motorcycle van cart wheel train",
    "pole": "traffic_sign street_light traffic_light sign tower lamp_post",
    "tree": "palm",
    "barrier": "fence traffic_barrel cone parking_block guard_rail cinder_block barrel",
}

_LOOKUP: dict[str, str] = {
    alias: name for name, aliases in _ALIASES.items() for alias in aliases.split()
}


def our_class(name: str) -> str:
    """The class of ours that fits a library's class or file name best, else "other"."""
    key = name.strip().lower().replace(" ", "_").replace("-", "_")
    if key in CLASS_IDS:
        return key
    if key in _LOOKUP:
        return _LOOKUP[key]
    for word in reversed(key.split("_")):
        single = word.rstrip("0123456789")
        if single in CLASS_IDS:
            return single
        if single in _LOOKUP:
            return _LOOKUP[single]
    return "other"
