// Package process runs tasks as processes of the machine: the worker's Runtime
// over os/exec.
//
// # The supervisor
//
// Between the worker and each task stands a supervisor: the worker's own
// binary, re-executed by /proc/self/exe, in a session of its own and as a
// child subreaper. It starts the task, takes its output, reaps what the task
// leaves behind, writes down how it ended, and goes. It outlives a crash of
// the worker; a restarted worker finds it by its record and waits for it by a
// pidfd. The package supervise is that supervisor: a program that imports this one
// becomes one, before its main function is called, when it is started by that
// name. So does the test program of a package whose tests start processes.
//
// One supervisor is kept ready for the next run, since most of what a start takes
// is the start of the program itself. It knows of no run until it is given one,
// and ends with the worker.
//
// # On disk
//
// Each run has a directory, <dir>/runs/<task>-<allocation>-<restart>:
//
//	run.json      who supervises it: boot ID, PID and start time; by the worker
//	started.json  the task's PID and when it started; by the supervisor
//	exit.json     how it ended; by the supervisor, or by the worker that found
//	              the supervisor lost
//	output.N.log  what it wrote, in the log format of the Kubernetes CRI
//	supervisor.log  empty, unless a supervisor failed
//
// A record is written beside its place, fsynced and renamed. What to start goes
// to the supervisor through a socket that ends with the worker, and the word to
// start it once run.json is on disk; meanwhile the supervisor prepares itself.
// Whatever moment a worker dies at, the run either is on record or never started.
// The task's environment, where secrets are kept, never reaches the disk.
//
// # The end of a run
//
// A run ends when its first process does. Everything it started is killed
// with it, also what left its process group or session: by the cgroup
// (freezer on v1, cgroup.kill on v2) and, for what is in no cgroup, by walking
// the subreaper's descendants until there is none. A supervisor that is lost
// takes the first process with it (PR_SET_PDEATHSIG); the rest is killed by
// the cgroup, or found by session, by the variable CUBE_RUN and by descent from
// what is found so, and the exit code is reported as unknown. Without cgroups one
// kind of process is not found after that loss: one that has left the session and
// dropped the environment, and whose ancestors in the run have all ended.
//
// # Health checks
//
// Exec runs a command beside a task: a child of the worker that forks inside
// the task's cgroup and has its user, working directory and environment.
//
// # Limits
//
// CPU and memory are bounded by a cgroup below the worker's own. Where the
// worker may not make one, tasks run without limits, which the log says once.
// Linux 5.10 or later (pidfd polling).
//
// In this room belongs what runs and watches processes; it is the only one
// that imports os/exec. Of Cube it imports worker, worker/task, worker/process/supervise
// and collector/cgroup.
package process
