"""Words the embedding model learns: groups of words with one meaning, by kind, in the forms that sentences need."""

from numbers_text import in_words

Forms = dict[str, str]
"""Forms of a concept by name: `it` for most, `do`, `done`, `doing` for deeds, `many` for the plural of a thing."""


def named(*groups: str) -> list[Forms]:
    return [{"it": f"({group})"} for group in groups]


def deeds(*rows: str) -> list[Forms]:
    """Each row: "stop|halt / stopped|halted / stopping|halting"."""
    return [
        dict(zip(("do", "done", "doing"), (f"({form})" for form in row.split(" / ")), strict=True))
        for row in rows
    ]


def countable(*rows: str) -> list[Forms]:
    return [
        dict(zip(("it", "many"), (f"({form})" for form in row.split(" / ")), strict=True)) for row in rows
    ]


DEEDS = deeds(
    "stop|halt|shut down / stopped|halted|shut down / stopping|halting|shutting down",
    "start|launch|switch on / started|launched|switched on / starting|launching|switching on",
    "delete|remove|erase / deleted|removed|erased / deleting|removing|erasing",
    "rename / renamed / renaming",
    "repair|fix|mend / repaired|fixed|mended / repairing|fixing|mending",
    "clean|wash / cleaned|washed / cleaning|washing",
    "buy|purchase / bought|purchased / buying|purchasing",
    "sell / sold / selling",
    "share / shared / sharing",
    "copy|duplicate / copied|duplicated / copying|duplicating",
    "move|relocate|transfer / moved|relocated|transferred / moving|relocating|transferring",
    "check|inspect|examine / checked|inspected|examined / checking|inspecting|examining",
    "select|pick / selected|picked / selecting|picking",
    "build|construct|make / built|constructed|made / building|constructing|making",
    "replace|exchange|swap / replaced|exchanged|swapped / replacing|exchanging|swapping",
    "test|try out / tested|tried out / testing|trying out",
    "protect|secure / protected|secured / protecting|securing",
    "describe / described / describing",
    "rent|hire / rented|hired / renting|hiring",
    "return|give back / returned|given back / returning|giving back",
    "borrow / borrowed / borrowing",
    "carry|transport / carried|transported / carrying|transporting",
    "paint / painted / painting",
    "open / opened / opening",
    "close|shut / closed|shut / closing|shutting",
    "measure / measured / measuring",
)

THINGS = named(
    "endpoint|model endpoint",
    "API key|access key|secret key",
    "project|workspace",
    "tenant|organisation",
    "node|server",
    "instance|replica",
    "checkpoint|saved model",
    "password|passphrase",
    "report|summary",
    "log|log file|journal",
    "database|data store",
    "account|user account|login",
    "car|automobile",
    "bicycle|bike",
    "house|home",
    "sofa|couch",
    "film|movie",
    "picture|photo|photograph",
    "phone|telephone",
    "television|TV",
    "letter",
    "fridge|refrigerator",
    "lamp|light",
    "computer|laptop|PC",
    "boat|ship",
    "bag|suitcase",
    "coat|jacket",
    "garden|yard",
    "window",
    "door",
    "cup|mug",
    "clock|watch",
    "guitar",
    "knife",
    "umbrella",
    "chair|seat",
    "table|desk",
    "bed",
    "book|novel",
    "map",
    "ticket",
    "gift|present",
    "carpet|rug",
    "oven|stove",
    "printer",
    "camera",
    "radio",
    "tent",
    "ladder",
    "mirror",
    "pillow|cushion",
    "hat|cap",
    "ring",
    "plane|aeroplane|airplane",
)

COUNTED = countable(
    "endpoint / endpoints",
    "API key|access key / API keys|access keys",
    "RDU / RDUs",
    "node|server / nodes|servers",
    "project|workspace / projects|workspaces",
    "user|member / users|members",
    "instance|replica / instances|replicas",
    "book|novel / books|novels",
    "chair|seat / chairs|seats",
    "cup|mug / cups|mugs",
    "picture|photo / pictures|photos",
    "apple / apples",
    "egg / eggs",
    "ticket / tickets",
    "bike|bicycle / bikes|bicycles",
    "car|automobile / cars|automobiles",
    "child|kid / children|kids",
    "dog|hound / dogs|hounds",
)

PEOPLE = named(
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Emma",
    "Felix",
    "Grace",
    "Henry",
    "Irene",
    "Jack",
    "Karen",
    "Leo",
    "my mother|my mum|mum",
    "my father|my dad|dad",
    "the teacher",
    "the doctor|the physician",
    "the neighbour|the man next door",
    "the boss|the manager",
    "the cook|the chef",
    "the policeman|the police officer",
    "my friend|my pal",
    "the owner|the proprietor",
    "the operator|the administrator|the admin",
)

PLACES = named(
    "kitchen",
    "office|workplace",
    "school",
    "station|railway station",
    "shop|store",
    "hospital|clinic",
    "beach",
    "airport",
    "cellar|basement",
    "bedroom",
    "park",
    "library",
    "street|road",
    "village",
    "attic|loft",
    "garage",
    "hotel|inn",
    "restaurant|diner",
)

CITIES = named(
    *"London Paris Rome Berlin Tokyo Madrid Oslo Dublin Prague Vienna Lisbon Athens Cairo Boston Sydney Zurich".split()
)
VEHICLES = named(
    "train", "bus|coach", "car|automobile", "plane|aeroplane", "boat|ship", "bike|bicycle", "taxi|cab"
)
DAYS = named(*"Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
EVENTS = named(
    "meeting|conference",
    "party|celebration",
    "exam|test",
    "concert",
    "wedding",
    "lesson|class",
    "update|upgrade",
    "maintenance",
    "match|game",
    "holiday",
    "demo|demonstration",
    "election",
)
NUMBERS = named(
    *(f"{number}|{in_words(number)}" for number in (*range(2, 21), 24, 30, 32, 40, 48, 50, 60, 64, 75, 99))
)
HOURS = named(*(f"{hour}|{in_words(hour)}" for hour in range(1, 13)))

LOOKS = named(
    "big|large|huge",
    "small|little|tiny",
    "old|ancient",
    "new|brand-new",
    "fast|quick",
    "slow|sluggish",
    "beautiful|pretty|lovely",
    "ugly|hideous",
    "heavy|weighty",
    "strange|odd|weird",
    "dirty|filthy",
    "empty|vacant",
    "dangerous|risky|unsafe",
    "safe|harmless",
    "useful|helpful|handy",
    "useless|worthless",
    "wet|soaked",
    "cold|icy|chilly",
    "hot|boiling",
    "excellent|superb|great",
    "terrible|awful|dreadful",
    *"red green blue black white yellow".split(),
)
MOODS = named(
    "happy|glad|cheerful",
    "sad|unhappy|miserable",
    "angry|furious|cross",
    "tired|sleepy|exhausted",
    "afraid|scared|frightened",
    "hungry|starving",
    "ill|sick|unwell",
    "bored",
    "surprised|amazed|astonished",
    "lonely",
    "proud",
    "thirsty",
    "nervous|anxious",
)
TRADES = named(
    "baker",
    "lawyer|solicitor",
    "nurse",
    "farmer",
    "painter",
    "driver",
    "programmer|software developer",
    "singer|vocalist",
    "gardener",
    "writer|author",
    "pilot",
    "dentist",
    "carpenter|joiner",
    "engineer",
)
WEATHER = countable(
    "rainy|wet / rain",
    "snowy / snow",
    "sunny|bright / sunshine|sun",
    "foggy|misty / fog|mist",
    "windy / wind",
    "stormy / a storm|storms",
    "cloudy|overcast / clouds",
    "icy|frosty / frost|ice",
)
MODELS = named("Help", "Sentiment", "Number-Words", "Tiny-Embed", "Llama", "Mistral", "Qwen")
CHIPS = named("SN40L", "SN30", "SN20", "SN10", "H200", "MI300X")
