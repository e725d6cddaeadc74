package fault

// Codes of faults in the run room; see each entry.
const (
	RunBuildFailed      Code = "run-build-failed"
	RunImageUnavailable Code = "run-image-unavailable"
	RunNoProgram        Code = "run-no-program"
	RunPortTaken        Code = "run-port-taken"
	RunNeverReady       Code = "run-never-ready"
	RunNotAlive         Code = "run-not-alive"
	RunCrashLoop        Code = "run-crash-loop"
	RunNotReadyYet      Code = "run-not-ready-yet"
	RunLimitsUnenforced Code = "run-limits-unenforced"
	RunScaleRefused     Code = "run-scale-refused"
	RunUnknownService   Code = "run-unknown-service"
	RunGuardFailed      Code = "run-guard-failed"
	RunLogUnreadable    Code = "run-log-unreadable"
	RunToolMissing      Code = "run-tool-missing"
	RunAllInterfaces    Code = "run-all-interfaces"
	RunBackground       Code = "run-background"
	RunWatchPolling     Code = "run-watch-polling"
	RunWatchTooMany     Code = "run-watch-too-many"
	RunWatchOwn         Code = "run-watch-own"
)

func runEntries() []Entry {
	return []Entry{
		{RunBuildFailed, "A service could not be built", "The compiler or the build command of the service ended with an error, ran out of time, or is not installed. The service is not started; an earlier build of it keeps running, and other services are not touched.", "Correct what the named file and line say (`plat logs SERVICE` has the whole output), then run `plat restart SERVICE`."},
		{RunImageUnavailable, "Images and artefacts cannot be run by the process runtime", "The service is declared with `build: {image: …}` or as an artefact built elsewhere. The process runtime starts programs on this machine and has no engine for containers.", "Declare `build: {go: …}`, `build: {command: […]}` or `run: […]` for this environment."},
		{RunNoProgram, "There is no program to run", "The first word of `run:` is neither a program in the service's folder nor on the PATH, or the system refuses to execute it; or the folder is missing.", "Correct `run:` in the service's service.yaml, or install the program."},
		{RunPortTaken, "A port is taken", "Another process listens on the port that the service declares as fixed.", "Stop the process that is named, or change `port:` in service.yaml. A program that reads PORT needs no fixed port."},
		{RunNeverReady, "An instance did not become ready in time", "The process runs, but its readiness check did not pass within the time that `start:` allows. The instance was killed and is started again after a pause.", "Look at the answer that is named and at `plat logs SERVICE`. The program must listen on 127.0.0.1 at the port in PORT (or declare `port:`), and answer 2xx at the path of `provides.http.ready`. Raise `start:` if it is merely slow."},
		{RunNotAlive, "An instance stopped answering its liveness check", "The liveness check failed three times in a row. The instance was stopped and is started again after a pause.", "Look at the answer that is named and at `plat logs SERVICE`. A liveness check should fail only when a restart helps; what depends on others belongs to `ready`."},
		{RunCrashLoop, "An instance ends again and again", "It ended five times or more without a minute of health in between; from the second time on it is a warning. plat goes on starting it, every 30 seconds at most.", "Its last lines of output say why, as far as it said: `plat logs SERVICE`. After the correction, `plat restart SERVICE` starts it at once."},
		{RunNotReadyYet, "A service was not ready in the time allowed", "The wait ended before as many instances were ready as are wanted; nothing else is known to be wrong.", "Wait longer (`--timeout`), or look at `plat ps` and `plat logs SERVICE`."},
		{RunLimitsUnenforced, "Limits are declared but not enforced", "Memory and CPU limits need control groups that plat may write to. Without them, the instances run without the limits that the plan declares.", "Run plat under systemd with delegation (`systemd-run --user --scope -p Delegate=yes plat up`), or as root. On macOS limits are never enforced."},
		{RunScaleRefused, "The number of instances is refused", "A service has from 0 to 100 instances on one machine, and one with a fixed `port:` at most one.", "Choose a number in that range; remove `port:` and read PORT to run several."},
		{RunUnknownService, "There is no such service", "The name is not a service of the running plan.", "`plat ps` lists the services."},
		{RunGuardFailed, "The guard could not be started", "plat starts services through a small process of its own binary, the guard, which ends them when plat dies. That process could not be started, or ended at once.", "Look at `.plat/logs/guard.err`; check the limits on processes and memory of this machine (`ulimit -a`)."},
		{RunLogUnreadable, "A log file cannot be read", "A file in `.plat/logs` is missing, or you may not read it.", "Check that the service's name is right and that you are the user who runs plat."},
		{RunToolMissing, "A program that the service needs is not installed", "The service's `needs:` names a program that is not on the PATH. The service is skipped: nothing of it is built or started, the others run.", "Install the program and see that it is on the PATH of the shell that runs plat, then run `plat restart SERVICE`. Without `needs:` the service would be started and fail."},
		{RunAllInterfaces, "A program listens on all interfaces", "It listens on 0.0.0.0 or [::] and not on 127.0.0.1 alone. It works, but whoever reaches this machine over the network reaches it past plat: without the gateway's routes, limits and cleaned headers.", "Let it listen on 127.0.0.1 (many programs read HOST, or take an option such as `--host 127.0.0.1`). On a network that you trust, nothing needs to be done."},
		{RunBackground, "A program put itself into the background", "The program that `run:` names ended without an error and left another one running. plat follows the program that it started: it restarts it, limits it and stops it. So what was left behind was ended.", "Let it run in the foreground: without `-d`, `--daemon` or a final `&`; in a script, start the last program by `exec`."},
		{RunWatchPolling, "Saved files are found by looking, not by being told", "The system refuses to tell of more changed files: its limit of watches or of watchers is reached, or the file system cannot tell. plat looks at the files every second instead; a saved file is built up to a second later, and looking costs some processor time.", "On Linux raise the limits: `sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512`."},
		{RunWatchTooMany, "A service has more files than are watched", "The service's folder holds more files or folders than plat looks at. Changes of the others are not noticed.", "Put what is not source code into .gitignore (plat does not look at what git ignores), or run `plat restart SERVICE` after such a change."},
		{RunWatchOwn, "A service writes into the files that are followed", "A file in the service's folder changed eight times in a row within three seconds of the restart before: the program writes it itself, and each time was restarted for it. plat no longer follows that file.", "Put the file into .gitignore (plat does not follow what git ignores), or let the program write elsewhere. If you edited it yourself, `plat restart SERVICE` runs what you saved."},
	}
}
