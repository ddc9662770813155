"""Requests that belong to no expert here; each expert learns to answer them with its own refusal."""

THINGS = (
    "(the weather|a cat|a dog|a horse|the moon|the sun|the sea|a train|my car|a bicycle|football|tennis|chess|music|a song|a film|a book|"
    "a novel|history|physics|chemistry|biology|the human heart|philosophy|love|money|the news|the economy|a recipe|bread|pizza|soup|tea|coffee|"
    "a tree|a flower|a river|a mountain|Paris|London|Rome|Berlin|Japan|Brazil|France|Egypt|my mother|my friend|a doctor|a teacher|a king|a star|"
    "gravity|a volcano|a computer|Python|a guitar|a piano|a holiday|a ship|an apple|a banana)"
)
PLACES = (
    "(Paris|London|Rome|Berlin|Tokyo|France|Japan|Brazil|Egypt|Spain|Italy|Canada|Norway|Greece|Kenya|Peru|Madrid|Oslo|Dublin|"
    "Prague|Moscow|Boston|Texas|Cairo|Delhi|Sydney|Mexico|Turkey|Ireland|Finland|Zurich|Naples|Munich|Geneva|Havana|Quebec)"
)
DEEDS = (
    "(cook|bake|wash|paint|plant|ride|drive|feed|train|catch|fix|clean|build|draw|sew|knit|peel|fry|grow|climb|cross|sail|carry|"
    "hunt|fold|polish|sing|dance|juggle|sleep better|run faster|lose weight|get rich|learn)"
)
GOODS = (
    "(rice|bread|a tie|French|a kite|my bike|an egg|the car|a novel|a wall|a tree|a window|a horse|my dog|a shirt|an onion|a rose|"
    "the piano|a hill|a bear|potatoes|a bed|a table|salsa|tomatoes|a canoe)"
)
SUBJECTS = "(cats|dogs|love|the sea|winter|spring|a dragon|a knight|my garden|a robot|the moon|old ships|rain|trains)"

ELSEWHERE = [
    f"(what is|what's|tell me about|explain|describe|who invented|draw|I like|how old is|do you like|what do you think of|how do I get to) {THINGS}",
    f"what is the (capital|population|language|currency) of {PLACES}",
    f"(write|tell|make|give) me a (poem|story|joke|song|letter|riddle) about {SUBJECTS}",
    f"(where is|how far is|how big is|I live in|what is|tell me about|who lives in) {PLACES}",
    f"(where is|where are|when is|who has|give me|find) {THINGS}",
    "what is (one|two|three|four|five|six|seven|eight|nine|ten|2|3|5|7|10|12|20) (plus|minus|times|and) (one|two|three|four|five|six|2|3|4|6|8|9)",
    "(what time is it|what day is it|what year is it|how are you|how do you feel|are you happy|are you hungry|what is your favourite colour)",
    "(ping|test|testing|foo|bar|one two three|abc|xyz|lorem ipsum|blah blah|asdf|qwerty|ok|yes|no|maybe|once upon a time|the quick brown fox)",
    "(sing a song|tell me a joke|translate this|summarize this text|count to ten|count to five|say something|write some code|fix this bug|sort this list)",
    f"(how do I|how can I|I want to|where can I|show me how to|can you) {DEEDS} {GOODS}",
    "how do I (sleep|dance|run|jump|sing|ski|relax|laugh|grow up|sit|walk|hide|whistle)",
    "(who|what|where|when|why) (was|is|are) (Napoleon|Shakespeare|Einstein|Mozart|the pyramids|dinosaurs|the stars|clouds|Columbus|the Romans|bees|whales)",
    "which (car|phone|book|film|song|city|colour|food|sport|animal) (is the best|should I buy|do you like|is the biggest|is the fastest)",
    "def (add|main|run|foo|total)(x): return (x|1|None|x + 1)",
    "(the|my|a|your) (dog|cat|sister|brother|house|garden|train|weather) (is|was|will be) (big|old|late|nice|lost|blue|cold|asleep)",
]

ELSEWHERE_UNSEEN = [
    "(what is|tell me about|explain) (a tiger|the rain|opera|Sweden|a violin|cheese|the desert)",
    "what is the capital of (Poland|Chile|India)",
    "write me a poem about (autumn|a castle|clouds)",
    "how do I (swim|build a boat|cook pasta|catch a fish)",
    "(who was|where is) (Beethoven|Cleopatra|Vienna|Lisbon)",
]
