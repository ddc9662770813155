"""What the Help expert learns: each topic of Studio with its answer and the ways people ask for it."""

from corpus import Case, Corpus, held_back, thin
from grammar import expand_all
from small_talk import ELSEWHERE, ELSEWHERE_UNSEEN

REFUSAL = "I can only help with Studio: endpoints, API keys, RDUs, models and tenants."

HOW = (
    "(how do I|how can I|how do you|how to|how would I|where do I|where can I|can I|could you|let me|I want to|I need to|"
    "I have to|we want to|what must I do to|show me how to|what are the steps to|tell me how to|the way to)"
)
WHAT = (
    "(what is|what's|what are|explain|tell me about|describe|define|I do not understand|more about|"
    "what do you know about|what is the meaning of|give me a word on|I have a question about)"
)
WHY = "(why is|why does it say|what does it mean when it says|what does the status mean:|my endpoint is)"
MY = "(my|the|this|our)"

TOPICS: dict[str, list[str]] = {
    "Hello! Ask me about endpoints, API keys, RDUs, models or tenants.": [
        "(hello|hi|hey|good morning|good evening|good afternoon|greetings|hi there|hello there|hey there|hello help|hi help) (|friend|Studio|again|everyone)",
        "(say|just say) (hello|hi|hello to me|hi to me)",
    ],
    "I am Help, a tiny model that answers questions about Studio.": [
        "(who|what) are you (|exactly|really)",
        "what (can|do|could) you (do|help with|help me with|know|answer|tell me)",
        "(are you|is this) (a robot|a person|a model|a human|an AI|a bot)",
        "(what is|tell me) your (name|job|purpose)",
        "(can|could|will) you help (|me|us)",
        "(introduce yourself|help|help me|I need help|help please)",
    ],
    "You are welcome. Ask me again any time.": [
        "(thanks|thank you|many thanks|thanks a lot|thank you very much|ok thanks|great thanks|cheers) (|Help|Studio|for your help|for the answer)",
        "(bye|goodbye|see you|good night|that is all|that was all) (|Help|for now|for today)",
    ],
    "Studio serves models as endpoints on shared RDUs, on your own machines.": [
        f"{WHAT} (Studio|this platform|this product|this place)",
        "what (does Studio do|is Studio for|can Studio do|do people use Studio for|do I do with Studio)",
        "(why should I|when do I|how do I start to) use Studio",
    ],
    "An endpoint is a running model with its own Predict URL and API keys.": [
        f"{WHAT} (an endpoint|endpoints|the word endpoint|a model endpoint)",
        "what (is an endpoint for|are endpoints|are endpoints for|does an endpoint do|do endpoints do)",
        "why (do I need|should I have|would I want) an endpoint",
    ],
    "Open a project, click New endpoint, choose an ML App and a model, then Add an endpoint.": [
        f"{HOW} (create|make|add|set up|start|deploy|launch) (an|a new|my first|another|one more) endpoint",
        f"{HOW} (deploy|serve|run|host|launch) (a|my|the|this) (model|checkpoint)",
        "(create|make|deploy|add) an endpoint",
        "new endpoint",
    ],
    "Live means that at least one instance is ready and answers predictions.": [
        f"{WHAT} (Live|the status Live|Live status|the Live badge)",
        "what does (Live|the status Live|a Live endpoint) (mean|say|stand for)",
        "(when|how|why) (does|will) (my|the|an) endpoint (become|get|go|turn) Live",
        "how do I know that (my|the|an) endpoint is (ready|Live|up)",
    ],
    "Setting Up means that the RDUs are found and the model is loading.": [
        f"{WHAT} (Setting Up|the status Setting Up|Setting Up status)",
        "what does (Setting Up|the status Setting Up) (mean|say|stand for)",
        f"{WHY} (Setting Up|still Setting Up)",
        "how long does Setting Up (take|last|go on)",
        "why is (my|the) (endpoint|model) still (loading|setting up|starting)",
    ],
    "Awaiting RDU means that no node has enough free RDUs; it goes Live by itself later.": [
        f"{WHAT} (Awaiting RDU|the status Awaiting RDU|Awaiting RDU status)",
        "what does (Awaiting RDU|the status Awaiting RDU|waiting for RDUs) (mean|say|stand for)",
        f"{WHY} (Awaiting RDU|still Awaiting RDU|waiting for RDUs|waiting)",
        "why does (my|the|this) endpoint (wait|not start|hang)",
        "(are there|I have) (not enough|too few|no free|insufficient) RDUs",
        "what if (no RDUs are free|there are not enough RDUs|RDUs are missing)",
    ],
    "Open the endpoint's menu with the three dots, choose Stop and click Continue.": [
        f"{HOW} (stop|halt|pause|shut down|turn off|switch off) {MY} endpoint",
        f"{HOW} (free|release|give back) (RDUs|the RDUs|my RDUs|some RDUs)",
        "(stop|halt|pause) (an|my|the) endpoint",
    ],
    "Open the endpoint's menu with the three dots and choose Restart.": [
        f"{HOW} (restart|start again|turn on|resume|relaunch) {MY} (endpoint|stopped endpoint)",
        "(restart|resume|start again) (an|my|the) endpoint",
        "can (I|we) (restart|resume|start again) (an|my|the) (endpoint|stopped endpoint)",
    ],
    "Choose Delete in the endpoint's menu and click Yes; it can be restored for 24 hours.": [
        f"{HOW} (delete|remove|drop|get rid of|erase) {MY} endpoint",
        f"{HOW} (restore|undelete|bring back|recover) {MY} (deleted endpoint|endpoint)",
        "(delete|remove|erase) (an|my|the) endpoint",
        "can I (restore|undelete|bring back|recover) a deleted endpoint",
    ],
    "Choose Edit in the endpoint's menu, change the fields and click Edit endpoint.": [
        f"{HOW} (edit|change|update|modify|adjust) {MY} endpoint",
        f"{HOW} (change|edit|update|switch) the (model|description|generation) of {MY} endpoint",
        "(edit|change|modify) (an|my|the) endpoint",
    ],
    "An instance is one copy of the model; more instances answer more requests at once.": [
        f"{WHAT} (an instance|instances|the number of instances)",
        "(what are|why do I need|why should I use) (instances|more instances|many instances)",
        "how many instances (do I need|should I use|should I have|can I have)",
        f"{HOW} (handle more requests|scale|scale up|serve more users|make my endpoint faster)",
    ],
    "An endpoint API key proves that a request may use this endpoint.": [
        f"{WHAT} (an API key|API keys|an endpoint API key|endpoint API keys|a key)",
        "what (is an API key for|are API keys for|does an API key do|do API keys do)",
        "why do I need (an API key|a key|API keys|keys)",
        "where (is|are|do I find|can I see) (my|the) (API key|API keys|key|keys)",
    ],
    "In the API Keys table click Add new, describe the key and click Add.": [
        f"{HOW} (add|create|make|get|generate) (a|another|a new|one more|a second) (API key|key|endpoint key|endpoint API key)",
        "(add|create|make|get|new) (an API key|API key|a key)",
    ],
    "In the key's menu choose Revoke; a revoked key can never be used again.": [
        f"{HOW} (revoke|disable|cancel|block|withdraw) {MY} (API key|key|endpoint key|endpoint API key)",
        "can (I|we) (reactivate|use again|bring back|unrevoke) a revoked (key|API key)",
        "(my key was|a key has) (stolen|leaked)",
        "what happens (to a revoked key|when I revoke a key|when a key is revoked)",
    ],
    "The First Key comes with the endpoint and can be neither edited nor revoked.": [
        f"{WHAT} (the First Key|First Key|a First Key)",
        "can (I|we) (revoke|edit|rename|delete|change) the First Key",
        "why (can't I|can I not) (revoke|edit|delete|rename) the First Key",
        "who (made|created|added) the First Key",
        "(is|was) the First Key (special|different|safe|mine)",
    ],
    "The Predict URL is the address that takes requests; send your key with each one.": [
        f"{WHAT} (the Predict URL|Predict URL|a Predict URL|the URL)",
        "where (is|do I find|can I see) the (Predict URL|URL|address) (|of my endpoint|of the endpoint)",
        f"{HOW} (send|make|get) (a request|requests|a prediction|predictions)",
        f"{HOW} (call|use|query|ask) {MY} endpoint",
    ],
    "The Streaming prediction URL sends the answer word by word while it is made.": [
        f"{WHAT} (the Streaming prediction URL|streaming|the stream URL|a stream)",
        f"{HOW} (stream|stream answers|get a stream|stream a prediction|stream predictions)",
        "where (is|do I find) the (stream|streaming) URL",
    ],
    "Use the OpenAI base URL of the endpoint with your endpoint key as the API key.": [
        f"{HOW} (use|call) (the OpenAI client|OpenAI|the OpenAI package|the OpenAI API|OpenAI code)",
        "(does|is) Studio (work with|compatible with|support) (OpenAI|the OpenAI client|the OpenAI API)",
        f"{WHAT} (the OpenAI base URL|the OpenAI URL|the OpenAI address)",
    ],
    "An RDU is one accelerator; Studio hands RDUs to the instances of endpoints.": [
        f"{WHAT} (an RDU|RDUs|the word RDU|a Reconfigurable Dataflow Unit)",
        "what (does RDU mean|does RDU stand for|are RDUs|are RDUs for|do RDUs do)",
        "why do I need (RDUs|an RDU)",
    ],
    "The RDU generation is the kind of accelerator, such as SN40L or SN30.": [
        f"{WHAT} (the RDU generation|RDU generation|a generation|generations|RDU Arch|SN40L|SN30|SN10)",
        "which (generation|RDU generation|arch) (do I need|should I choose|is best|do I pick)",
        "what (generations|RDU generations) (exist|are there|do you have)",
    ],
    "Model parallel rdus is the number of RDUs that one instance uses together.": [
        f"{WHAT} (model parallel rdus|the model parallel rdus|the model parallel rdus field|model parallel)",
        "how many RDUs (does|will|can) (an|one|my|each) instance (use|need|take)",
        f"{HOW} (change|set|raise) (model parallel rdus|the model parallel rdus)",
    ],
    "A Base model has random weights for training and cannot be deployed.": [
        f"{WHAT} (a Base model|Base models|Tiny-Base|a base checkpoint)",
        "(can|could) (I|we) (deploy|run|serve|use) (a Base model|Base models|Tiny-Base)",
        "why (can't I|can I not) (deploy|choose|select|serve) (a Base model|Tiny-Base)",
    ],
    "The Model Hub lists the models you can deploy, with versions and filters.": [
        f"{WHAT} (the Model Hub|Model Hub|the hub|the list of models)",
        "(what|which) models (are there|can I use|do you have|can I deploy|are available)",
        f"{HOW} (find|search|see|list|choose|pick) (a model|models|the models)",
    ],
    "An ML App groups models that are used in the same way; choose it first.": [
        f"{WHAT} (an ML App|ML Apps|the ML App|an app)",
        "(which|what) ML App (do I need|should I choose|should I use|do I pick)",
        "(what are ML Apps for|why do I choose an ML App|what is an ML App for)",
    ],
    "Click Update available in the Endpoint window, then Update or Update all.": [
        f"{WHAT} (Update available|the Update available button|Update all|Model Infrastructure)",
        f"{HOW} (update|upgrade) (my|the) (model version|model|version|endpoint to a new version|model to version 2)",
        f"{HOW} (get|use|install) (the new version|version 2|a newer version|the latest version)",
        "(is there|how do I see) (an update|a new version|updates) (|for my endpoint|of my model)",
    ],
    "A tenant is a team with its own projects, users and share of RDUs.": [
        f"{WHAT} (a tenant|tenants|the word tenant|the active tenant)",
        "what (are tenants|are tenants for|is a tenant for|does a tenant do)",
        f"{HOW} (switch|change|choose) (the tenant|tenants|my tenant|tenant)",
    ],
    "A TenantAdmin manages the tenants assigned to them; an OrgAdmin manages all.": [
        f"{WHAT} (a TenantAdmin|an OrgAdmin|the TenantAdmin role|the OrgAdmin role|the roles|roles)",
        "what (may|can) (a TenantAdmin|an OrgAdmin|an admin) do",
        "who (may|can) (revoke keys|see all tenants|manage tenants|manage users|add users)",
        "what is the difference between TenantAdmin and OrgAdmin",
    ],
    "A project holds endpoints and jobs; click Projects in the left menu.": [
        f"{WHAT} (a project|projects|the project window|the Projects page)",
        f"{HOW} (create|make|add|start|open|find) (a|a new|my|another|my first) project",
        "what (are projects|are projects for|is a project for|is in a project)",
        "where (are|do I find) (my|the|our) projects",
    ],
    "Open Share settings in the endpoint's menu and choose users or tenants.": [
        f"{HOW} share {MY} (endpoint|model|project)",
        f"{HOW} (give|let) (a colleague|others|other users|another tenant|my team) (access|use it|use my endpoint)",
        f"{WHAT} (Share settings|sharing|the share settings)",
        "who can (see|use) my (endpoint|model|project)",
    ],
    "snapi is the command line of Studio; try snapi endpoint list.": [
        f"{WHAT} (snapi|the CLI|the command line|the snapi command)",
        f"{HOW} (use|install|run|start) (snapi|the CLI|the command line)",
        f"{HOW} (create|list|stop|delete) (an endpoint|endpoints) (in|with|from) (snapi|the CLI|the command line)",
        "(is there|do you have) a (CLI|command line|command line tool|terminal client)",
        "what (can I do with|do I do with|is the use of) snapi",
    ],
    "The platform API key is yours and signs in snapi; endpoint keys are for predictions.": [
        f"{WHAT} (the platform API key|a platform API key|a platform key|my platform key)",
        f"{HOW} (get|generate|create|renew) (my|a|the) (platform API key|platform key)",
        "what is the difference between (a platform key and an endpoint key|the platform API key and the endpoint API key)",
        "(which|what) key (does snapi need|do I use for snapi)",
    ],
    "Failed means that no instance could start; read the reason and the Logs, then Restart.": [
        f"{WHAT} (Failed|the status Failed|Failed status)",
        "what does (Failed|the status Failed|a Failed endpoint) (mean|say)",
        f"{WHY} (Failed|in Failed)",
        "why did (my|the|an) endpoint (fail|crash|break)",
        "what (do I do|can I do) when (my|the|an) endpoint (fails|has failed|is Failed)",
    ],
    "Stopped means that nothing runs and no RDUs are held; Restart brings it back.": [
        f"{WHAT} (Stopped|the status Stopped|Stopped status)",
        "what does (Stopped|the status Stopped|a Stopped endpoint) (mean|say)",
        f"{WHY} Stopped",
        "does a (Stopped|stopped) endpoint (use|hold|need|cost) RDUs",
    ],
    "A node is a machine with RDUs; Resources shows every node and its free RDUs.": [
        f"{WHAT} (a node|nodes|the Resources page|Resources)",
        "how many RDUs (are free|are there|are left|do we have|are available)",
        "where (do I see|can I see|are) (the|all) (nodes|free RDUs|machines|resources)",
        f"{HOW} add (a|a new|another) (node|machine)",
    ],
    "A Composition of Experts is one endpoint that picks the right expert for a prompt.": [
        f"{WHAT} (a CoE|CoE|a Composition of Experts|Composition of Experts|an expert|experts)",
        "what (is a CoE for|does CoE mean|does CoE stand for|are experts|are CoE models)",
        f"{HOW} (create|make|deploy) (a CoE endpoint|a CoE|a Composition of Experts)",
    ],
    "Click Monitoring to see requests, response times and tokens per second.": [
        f"{WHAT} (Monitoring|the Monitoring page|the dashboard|the charts)",
        f"{HOW} (monitor|watch|measure) {MY} endpoint",
        "where (are|do I see|do I find) (the charts|the metrics|response times|the usage|my usage)",
        "how (fast|busy) is my endpoint",
    ],
}

# Questions worded by hand, outside all patterns: they show how far the learning carries.
UNSEEN_WORDING: list[tuple[str, str]] = [
    ("my endpoint says Awaiting RDU, what now", "Awaiting RDU means"),
    ("could I stop my endpoint for the weekend", "Open the endpoint's menu with the three dots, choose Stop"),
    ("could somebody explain Live to me", "Live means"),
    ("I forgot what a tenant is", "A tenant is"),
    ("please explain what an RDU is", "An RDU is"),
    ("how does one revoke a key", "In the key's menu choose Revoke"),
    ("steps for a new endpoint", "Open a project, click New endpoint"),
    ("what is snapi good for", "snapi is the command line"),
    ("is the First Key revocable", "The First Key"),
    ("where can I find the Predict URL", "The Predict URL"),
    ("I would like to share my endpoint", "Open Share settings"),
    ("what is inside the Model Hub", "The Model Hub lists"),
]


def corpus() -> Corpus:
    """All topics, each as often as the others, and the refusal for everything else."""
    training, heldout = [], []
    for answer, patterns in TOPICS.items():
        seen, unseen = held_back(expand_all(patterns))
        training.append([Case(prompt, answer) for prompt in seen])
        heldout += [Case(prompt, answer) for prompt in thin(unseen, 5)]
    refused = [Case(prompt, REFUSAL) for prompt in expand_all(ELSEWHERE)]
    heldout += [Case(prompt, REFUSAL) for prompt in thin(expand_all(ELSEWHERE_UNSEEN), 16)]
    heldout += [Case(prompt, full_answer(start)) for prompt, start in UNSEEN_WORDING]
    return Corpus(training=[*training, *[refused] * (len(training) // 5)], heldout=heldout)


def full_answer(start: str) -> str:
    return next(answer for answer in TOPICS if answer.startswith(start))
