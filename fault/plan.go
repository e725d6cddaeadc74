package fault

// Codes of faults in the plan room; see each entry.
const (
	PlanNotFound            Code = "plan-not-found"
	PlanUnreadable          Code = "plan-unreadable"
	PlanTooLarge            Code = "plan-too-large"
	PlanTooDeep             Code = "plan-too-deep"
	PlanTooManyFindings     Code = "plan-too-many-findings"
	PlanNotText             Code = "plan-not-text"
	PlanSyntax              Code = "plan-syntax"
	PlanNotPlain            Code = "plan-not-plain"
	PlanUnknownVersion      Code = "plan-unknown-version"
	PlanUnknownField        Code = "plan-unknown-field"
	PlanDuplicateKey        Code = "plan-duplicate-key"
	PlanWrongType           Code = "plan-wrong-type"
	PlanAmbiguousValue      Code = "plan-ambiguous-value"
	PlanMissingUnit         Code = "plan-missing-unit"
	PlanBadValue            Code = "plan-bad-value"
	PlanUnknownValue        Code = "plan-unknown-value"
	PlanMissingField        Code = "plan-missing-field"
	PlanConflictingFields   Code = "plan-conflicting-fields"
	PlanBadName             Code = "plan-bad-name"
	PlanReservedName        Code = "plan-reserved-name"
	PlanCollidingNames      Code = "plan-colliding-names"
	PlanMissingOwner        Code = "plan-missing-owner"
	PlanUnknownOwner        Code = "plan-unknown-owner"
	PlanMissingProgram      Code = "plan-missing-program"
	PlanUnknownService      Code = "plan-unknown-service"
	PlanDuplicateService    Code = "plan-duplicate-service"
	PlanSelfCall            Code = "plan-self-call"
	PlanUnknownEvent        Code = "plan-unknown-event"
	PlanDuplicateEvent      Code = "plan-duplicate-event"
	PlanDuplicateRoute      Code = "plan-duplicate-route"
	PlanDeadRoute           Code = "plan-dead-route"
	PlanPortConflict        Code = "plan-port-conflict"
	PlanUnknownEnvironment  Code = "plan-unknown-environment"
	PlanUnknownOverride     Code = "plan-unknown-override"
	PlanPathEscapes         Code = "plan-path-escapes"
	PlanMissingFolder       Code = "plan-missing-folder"
	PlanNoService           Code = "plan-no-service"
	PlanMissingFile         Code = "plan-missing-file"
	PlanBadURL              Code = "plan-bad-url"
	PlanPlainSecret         Code = "plan-plain-secret" // #nosec G101 -- a code, no secret
	PlanCallCycle           Code = "plan-call-cycle"
	PlanShortTimeout        Code = "plan-short-timeout"
	PlanRuntimeUnavailable  Code = "plan-runtime-unavailable"
	PlanEngineUnavailable   Code = "plan-engine-unavailable"
	PlanArtifactUnavailable Code = "plan-artifact-unavailable"
	PlanListensNowhere      Code = "plan-listens-nowhere"
	PlanImageUnavailable    Code = "plan-image-unavailable"
	PlanUnlistedService     Code = "plan-unlisted-service"
	PlanUnknownCapture      Code = "plan-unknown-capture"
	PlanNoFallback          Code = "plan-no-fallback"
	PlanRetriesMultiply     Code = "plan-retries-multiply"
	PlanNothingKept         Code = "plan-nothing-kept"
)

func planEntries() []Entry {
	return append(append(fileEntries(), valueEntries()...), append(wholeEntries(), useEntries()...)...)
}

// fileEntries are about files as such, before anything of them is understood.
func fileEntries() []Entry {
	return []Entry{
		{PlanNotFound, "There is no plat.yaml", "A system is the folder that holds its plat.yaml; without one there is nothing to work on.", "Go to the system's folder, or name it with -C DIR. plat init proposes a plan for programs that are there; plat new system NAME makes a new one."},
		{PlanUnreadable, "A file of the plan cannot be read", "The operating system refused, or something other than a regular file stands in its place.", "Let the user who runs plat read it; put a regular file there."},
		{PlanTooLarge, "A plan file is too large", "A plan file has at most 1 MiB, so that a wrong file cannot hold plat up.", "Check that it is the right file; give each service its own service.yaml."},
		{PlanTooDeep, "A plan file is nested too deep", "No field of the plan lies deeper than a few levels; more than 32 is an accident or an attack.", "Look for a bracket that is never closed."},
		{PlanTooManyFindings, "A file has more findings than are shown", "100 findings of one file are shown; the rest is counted.", "Mend the first ones and check again."},
		{PlanNotText, "A plan file has characters that are not plain text", "Bytes that are not UTF-8, a byte order mark, control characters and marks that reorder text look like nothing and change what is read.", "Save the file as UTF-8 without a byte order mark; delete the character."},
		{PlanSyntax, "A plan file is not YAML", "The text breaks YAML's rules at this place, most often by indentation, a missing bracket or a text with a colon that is not in quotes.", "Indent by spaces, alike within one level; put unusual texts in quotes."},
		{PlanNotPlain, "A plan file uses YAML beyond the plain subset", "Anchors, aliases, merge keys, tags, directives and further documents say things elsewhere than where they stand; the plan does without.", "Write the value out where it is used."},
		{PlanUnknownVersion, "The plan is written for another version", "The number after plat: is not one that this plat reads; what it would make of the rest is unknown.", "Use the plat that the file was written for, or write plat: 1."},
	}
}

// valueEntries are about single keys and values.
func valueEntries() []Entry {
	return []Entry{
		{PlanUnknownField, "A key that the plan does not have", "Unknown keys are errors, since a misspelt one would otherwise be ignored in silence. Keys that begin with x- are yours and are passed over.", "Correct the spelling, or begin the key with x-."},
		{PlanDuplicateKey, "A key stands twice", "One of the two values would be lost.", "Delete or join one of them."},
		{PlanWrongType, "A value is of the wrong type", "The field takes another kind of value: text, number, true or false, list, or keys with values.", "Write what the message expects; put text that looks like a number in quotes."},
		{PlanAmbiguousValue, "A value that programs read differently", "010 is ten to people and eight to some programs, True is not true to all: the plan refuses what could be altered in reading.", "Write numbers in plain digits and true or false in lower case; put text in quotes."},
		{PlanMissingUnit, "A quantity without its unit", "Durations, sizes and percentages carry their unit, so that nobody takes seconds for milliseconds.", "Write the unit: 200ms, 256MiB, 99.9%."},
		{PlanBadValue, "A value is out of range or malformed", "The field takes values of a certain form or range only.", "Write what the message expects."},
		{PlanUnknownValue, "A word that the field does not know", "The field takes one of a few words.", "Choose one of those that the message lists."},
		{PlanMissingField, "A key that must be there is missing", "Nothing sensible can be assumed in its place.", "Add the key."},
		{PlanConflictingFields, "Two keys exclude each other", "Only one of them can hold.", "Keep one of them."},
		{PlanBadName, "A name is malformed", "Names become DNS labels, subjects, variables and file names everywhere, so they are lower-case letters, digits and hyphens, beginning with a letter. Event types are such names with dots between, without underscores.", "Rename it as the message suggests."},
		{PlanReservedName, "A name is reserved", "plat or the operating system uses it, or it begins with x-, which marks keys that plat passes over.", "Choose another name."},
		{PlanCollidingNames, "Two settings become one variable", "Hyphens and dots of a setting's name both become underscores, so that the program could tell only one of the two.", "Rename one of them."},
		{PlanPathEscapes, "A path leads out of its folder", "The paths of a declaration stay inside its folder, so that it can be moved, packed and shared. Absolute paths, .. and backslashes are refused.", "Move the files below the folder, or correct the path."},
		{PlanBadURL, "An address is not usable", "It must be http or https with a host, without credentials, query or fragment. http://NAME.internal, without port and path, stands for whoever is registered under that name.", "Write it as https://host/path or http://NAME.internal, and keep credentials out of the plan."},
		{PlanPlainSecret, "A secret has its value in the plan", "Who reads the plan, a copy or a backup would know it.", "Delete the value from the plan, and change the secret if it was real."},
	}
}

// wholeEntries are about the plan as a whole.
func wholeEntries() []Entry {
	return []Entry{
		{PlanMissingOwner, "A service without an owner", "Somebody must answer for each service, ours or external.", "Add owner: with one of the system's owners."},
		{PlanUnknownOwner, "An owner that the system does not list", "Owners are declared once, in plat.yaml, with how to reach them.", "Correct the name, or add the owner to plat.yaml."},
		{PlanMissingProgram, "A service without a program", "plat must know what to build or what to start.", "Add build: {go: .} or run: [./program]."},
		{PlanUnknownService, "A service that does not exist", "A call, a route or an override names a service that neither this system nor external declares.", "Correct the name, or add the service."},
		{PlanDuplicateService, "Two services of one name", "A service is known by its name alone: in addresses, subjects, permissions.", "Rename one of them."},
		{PlanSelfCall, "A service that calls itself", "A service reaches itself without a network, and would wait for itself under load.", "Delete the dependency."},
		{PlanUnknownEvent, "An event that nobody provides", "The consumer would wait for ever.", "Correct the type, or declare it under provides.events of the service that publishes it."},
		{PlanDuplicateEvent, "An event with two providers", "An event has one provider, which owns its meaning, schema and order.", "Rename one of the two events."},
		{PlanDuplicateRoute, "A route that another one hides", "Two routes of one gateway have the same host, path and method: the second would never be reached.", "Delete one of them, or tell them apart by host, path or methods."},
		{PlanDeadRoute, "A route that no request can match", "Its path, host or method cannot occur in a request as the gateway compares it.", "Write the path as a plain prefix, the host without port and wildcard, methods in upper case."},
		{PlanPortConflict, "A port that is wanted twice", "Processes on one machine cannot share a fixed port.", "Let the program listen on PORT and delete its port, or run one instance."},
		{PlanUnknownEnvironment, "An environment that is not declared", "The environment local is always there; others are declared under environments.", "Correct the name, or declare the environment."},
		{PlanUnknownOverride, "An override of what is not declared", "An environment changes what a service declares (stores, settings, dependencies) and adds nothing, so that a misspelt name is noticed.", "Correct the name, or declare it in the service's file."},
		{PlanMissingFolder, "A folder of the plan does not exist", "services or build.go names a folder that is not there or holds no service.yaml.", "Create it, or correct the path."},
		{PlanNoService, "A pattern that matches no service", "No folder that matches it holds a service.yaml; * matches within one segment of a path.", "Add a service there, or correct the pattern."},
		{PlanUnlistedService, "A service that the system does not list (warning)", "A folder below the system's holds a service.yaml, and no item of services in plat.yaml leads to it: plat neither checks nor runs it.", "Add - path: FOLDER under services in plat.yaml, or delete its service.yaml."},
		{PlanMissingFile, "A file that a declaration names does not exist", "Contracts and schemas are part of what a service provides.", "Create the file, or correct the path."},
		{PlanCallCycle, "Services that wait for each other in a circle (warning)", "One slow service of the circle makes all of them slow, none can be released or started first, and they are one service in truth.", "Turn one of the calls into an event, or move what both need into a third service."},
		{PlanShortTimeout, "A caller that gives up before its callee (warning)", "The callee may itself wait longer than its caller allows, and then works on for nobody.", "Give the caller more time than the callee's own calls, or those less."},
		{PlanNoFallback, "An optional dependency without a fallback (warning)", "The service is declared to run without this dependency, but a call of it that fails is an error like any other: nothing says what customers get instead.", "Say it by on-failure: degrade (an error with a mark), default (a declared answer), last-good (the last good answer with its age) or queue (the call is made later)."},
		{PlanRetriesMultiply, "Retries that multiply along a chain of calls (warning)", "Declared retries on several calls of a chain multiply: two here and two there make nine calls of one, just when the last service has trouble. plat marks what was tried again (Plat-Retry) and does not try it again below; a service that does not pass the mark on makes them multiply all the same.", "Let one place of the chain retry, most often the one next to the trouble: write retries: 0 at the others."},
		{PlanNothingKept, "A queue that keeps nothing (warning)", "on-failure: queue keeps calls that change something, as POST and PUT do, and come as a whole. gRPC's are streams, a GET wants its answer, and a key or a token is not written to the disk unless the plan says so: such calls fail as they would without a queue, and nobody is told that they are done later.", "Write what holds instead: on-failure: fail, degrade, default or last-good. Where plat guesses wrong, name the OpenAPI document of the service that is called, or say queue: {credentials: keep} (refuse, if the calls bear none)."},
	}
}

// useEntries are about plans that are right but ask for what is not there.
func useEntries() []Entry {
	return []Entry{
		{PlanUnknownCapture, "A journey's step uses a value that is not captured", "{NAME} stands for what an earlier step of the same journey captured, and {run} for the run's ID. Braces around anything but a name stand for themselves.", "Correct the name, or capture it in an earlier step."},
		{PlanRuntimeUnavailable, "A runtime that this plat does not have", "The plan loads, but this environment is to run on something other than processes of one machine.", "Use another environment, such as local."},
		{PlanEngineUnavailable, "A store engine that this plat does not provide", "The plan loads, but this environment asks for an engine other than sqlite.", "Use the engine sqlite in this environment."},
		{PlanArtifactUnavailable, "A service that is an artefact", "The plan loads, but this plat cannot fetch artefacts yet, so the service's declaration and program are not here.", "List the service's folder by path instead."},
		{PlanListensNowhere, "A program that listens nowhere is asked for something", "listens: false says that a program serves nobody; a port, an HTTP interface, events that are pushed to it, calls and routes all need one that does.", "Delete listens: false, or what needs it."},
		{PlanImageUnavailable, "A service that is a container image", "The plan loads, but this plat starts processes only.", "Name a program in run, or build it by go or command."},
	}
}
