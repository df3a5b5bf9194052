package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Name is the command line of a supervisor.
const Name = "cube-supervisor"

// AnswerFD is the descriptor where the supervisor answers whether the task runs.
// It is started with that, and with a socket for its order on 0.
const AnswerFD = 3

// The signals by which a worker tells a supervisor what to do.
const (
	StopSignal = unix.SIGTERM // ask the task to end; also what an init sends at shutdown
	KillSignal = unix.SIGUSR1 // kill the task and all that it started
)

// outputGrace is how long a supervisor waits, after the last process of a run
// has gone, for output that someone else still holds open.
const outputGrace = time.Second

// A supervisor is diverted to here and not in main: every package that is linked
// into the program and is initialised after this one is spared, most of them.
//
//nolint:gochecknoinits // nothing else comes before the other packages' own initialisation
func init() {
	if len(os.Args) != 1 || os.Args[0] != Name {
		return
	}
	if err := supervise(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// supervise runs one task from its order to its exit record.
func supervise() error {
	if err := CloseAllOnExec(); err != nil {
		return fmt.Errorf("descriptors cannot be kept from the task: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("orphans of the task cannot be adopted: %w", err)
	}
	// Caught and not ignored: an ignored signal would stay ignored in the task.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGQUIT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2)
	// For people who look at ps and top, which would show "exe". From here on no
	// stray signal ends it.
	_ = os.WriteFile("/proc/self/comm", []byte(Name), 0)
	// What takes time and is the same for every run is done before there is one.
	own, _ := OwnGroup1(Mountpoint) // none on v2, where nothing needs it

	dir, log, lock, err := awaitRun()
	if err != nil || dir == "" {
		return err
	}
	for _, standard := range [...]int{1, 2} {
		if err := unix.Dup3(int(log.Fd()), standard, 0); err != nil {
			return errors.Join(err, Discard(dir))
		}
	}
	t, err := awaitOrder(dir, own)
	if err != nil {
		return errors.Join(err, Discard(dir))
	}
	// What came before there was a task is not for it.
	for len(signals) > 0 {
		<-signals
	}
	reply := os.NewFile(AnswerFD, "answer")
	if err := t.launch(dir); err != nil {
		// Removed before the answer: a worker that dies now finds no run.
		err = errors.Join(err, Discard(dir))
		return json.NewEncoder(reply).Encode(failure(err))
	}
	// A worker that has died does not hear it; its successor finds the record.
	_ = json.NewEncoder(reply).Encode(answer{Started: t.started})
	_ = reply.Close()
	_, _, _ = log.Close(), lock.Close(), os.Stdin.Close()
	protectFromOOM()

	go t.obey(signals)
	return t.finish(dir)
}

// awaitOrder waits for the order and then for the word to go, and prepares the
// task meanwhile. An error says that the worker has ended.
func awaitOrder(dir string, own *Group) (*supervised, error) {
	var o Order
	said := json.NewDecoder(os.Stdin)
	if err := said.Decode(&o); err != nil {
		return nil, fmt.Errorf("the worker ended before it had said what to run: %w", err)
	}
	t := prepare(dir, &o, own)
	if err := said.Decode(new(bool)); err != nil {
		return nil, fmt.Errorf("the worker ended before the run was on record: %w", err)
	}
	return t, nil
}

// CloseAllOnExec keeps from what is executed what this process has open, also what the
// worker was started with by a careless parent.
func CloseAllOnExec() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// prepare does what can be done before the run is on record, and leaves nothing
// outside its directory. What it fails with is for launch to say: until the run
// is on record, its directory is the worker's too, and is not removed.
func prepare(dir string, o *Order, own *Group) *supervised {
	t := &supervised{cgroup: o.Cgroup, own: own}
	for _, name := range [...]string{StartedFile, ExitFile} {
		if t.unprepared = reserveRecord(dir, name); t.unprepared != nil {
			return t
		}
	}
	if t.out, t.unprepared = NewLogWriter(dir, o.LogSize, o.LogFiles); t.unprepared == nil {
		t.command, t.unprepared = newCommand(o)
	}
	return t
}

// launch starts the task and puts it on record.
func (t *supervised) launch(dir string) error {
	if t.unprepared != nil {
		return t.unprepared
	}
	// A goroutine whose thread starts the task and then stays: the task is
	// killed when that thread ends (PR_SET_PDEATHSIG), with the process. The
	// caller keeps the process' first thread, which must not enter the task's
	// cgroup: its memory would be charged there.
	runtime.LockOSThread()
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- t.start()
		select {}
	}()
	if err := <-started; err != nil {
		return err
	}
	// Not fsynced: a crash of the machine, which alone could lose it, ends
	// the task too.
	if err := WriteRecord(dir, StartedFile, t.started, false); err != nil {
		t.killEverything()
		return err
	}
	return nil
}

// protectFromOOM makes the supervisor the last that a machine out of memory
// kills; without it an exit code is lost. It takes a privilege to do, and the
// task, which has been started, does not inherit it.
func protectFromOOM() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0)
}

// finish waits for the end of the run and puts it on record.
func (t *supervised) finish(dir string) error {
	status := t.reapAll()
	at := time.Now()
	outputErr := t.out.Wait(outputGrace)
	record := Exit{Version: RecordVersion, Time: at, OOMKilled: t.cgroup.OOMKilled()}
	code := ExitCode(status)
	record.Code = &code
	switch {
	case record.OOMKilled:
		record.Error = "the kernel killed a process of it for want of memory"
	case status.Signaled():
		record.Error = fmt.Sprintf("killed by signal %d (%s)", int(status.Signal()), unix.SignalName(status.Signal()))
	case outputErr != nil:
		record.Error = outputErr.Error()
	}
	if err := WriteRecord(dir, ExitFile, record, true); err != nil {
		// Without an exit record the run counts as lost; supervisor.log says
		// why.
		return errors.Join(err, t.cgroup.Remove())
	}
	return t.cgroup.Remove()
}

// ExitCode is the status as a shell has it: 128+n for a signal n.
func ExitCode(status unix.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// awaitRun waits, in the supervisor, for the run that assign names. There is
// none, and dir is empty, where the worker ends or has no use for it.
func awaitRun() (dir string, log, lock *os.File, err error) {
	name, rights := make([]byte, unix.PathMax), make([]byte, unix.CmsgSpace(2*4))
	n, m, _, _, err := unix.Recvmsg(int(os.Stdin.Fd()), name, rights, unix.MSG_CMSG_CLOEXEC)
	for errors.Is(err, unix.EINTR) {
		n, m, _, _, err = unix.Recvmsg(int(os.Stdin.Fd()), name, rights, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil || n == 0 {
		return "", nil, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return "", nil, nil, err
	}
	if len(messages) != 1 {
		return "", nil, nil, errors.New("the run came without its files")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return "", nil, nil, err
	}
	if len(fds) != 2 {
		return "", nil, nil, fmt.Errorf("the run came with %d files", len(fds))
	}
	return string(name[:n]), os.NewFile(uintptr(fds[0]), "log"), os.NewFile(uintptr(fds[1]), "lock"), nil
}
