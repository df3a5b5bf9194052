package supervise

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Name is the command line of a supervisor.
const Name = "cube-supervisor"

// AnswerFD is the descriptor where the supervisor answers whether the task runs.
// It is started with that, and with a socket for its order on 0.
const (
	AnswerFD = 3
	orderFD  = 0
)

// The signals by which a worker tells a supervisor what to do.
const (
	StopSignal = syscall.SIGTERM // ask the task to end; also what an init sends at shutdown
	KillSignal = syscall.SIGUSR1 // kill the task and all that it started
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
	// Not here: this goroutine has the first thread to itself while packages are
	// initialised, so that each word between it and another would be one between
	// threads; and the first thread must not enter the task's cgroup, since the
	// memory of the process would be charged there.
	go func() {
		if err := supervise(); err != nil {
			_, _ = os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}()
	select {}
}

// supervise runs one task from its order to its exit record.
func supervise() error {
	if err := CloseAllOnExec(); err != nil {
		return wrap("descriptors cannot be kept from the task", err)
	}
	if err := becomeSubreaper(); err != nil {
		return wrap("orphans of the task cannot be adopted", err)
	}
	// Caught and not ignored: an ignored signal would stay ignored in the task.
	// Those that are not here do nothing to a program of Go.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	// For people who look at ps and top, which would show "exe". From here on no
	// stray signal ends it.
	_ = control("/proc/self/comm", Name)
	// What takes time and is the same for every run is done before there is one.
	own, _ := OwnGroup1(Mountpoint) // none on v2, where nothing needs it
	bootID, err := BootID()
	if err != nil {
		return err
	}

	dir, log, lock, err := awaitRun()
	if err != nil || dir == "" {
		return err
	}
	for _, standard := range [...]int{1, 2} {
		if err := syscall.Dup3(log, standard, 0); err != nil {
			return errors.Join(err, Discard(dir, nil))
		}
	}
	t, err := awaitOrder(dir, own, bootID)
	if err != nil {
		return errors.Join(err, Discard(dir, t.cgroup))
	}
	// What came before there was a task is not for it.
	for len(signals) > 0 {
		<-signals
	}
	if err := t.launch(dir); err != nil {
		// Removed before the answer: a worker that dies now finds no run.
		err = errors.Join(err, Discard(dir, t.cgroup))
		return say(failure(err))
	}
	// A worker that has died does not hear it; its successor finds the record.
	_ = say(Answer{Started: t.started})
	for _, fd := range [...]int{AnswerFD, log, lock, orderFD} {
		_ = syscall.Close(fd)
	}
	protectFromOOM()

	go t.obey(signals)
	return t.finish(dir)
}

// awaitOrder waits for the order and then for the word to go, and prepares the
// task meanwhile. An error says that the worker has ended.
func awaitOrder(dir string, own *Group, bootID string) (*supervised, error) {
	t := &supervised{own: own, bootID: bootID}
	o, err := readOrder()
	if err != nil {
		return t, wrap("the worker ended before it had said what to run", err)
	}
	t.prepare(dir, o)
	if word, err := readOrderBytes(1); err != nil || word[0] != Go {
		return t, wrap("the worker ended before the run was on record", errors.Join(err, errOrder))
	}
	return t, nil
}

// readOrder reads an order as Encode has it.
func readOrder() (*Order, error) {
	length, err := readOrderBytes(numberLen)
	if err != nil {
		return nil, err
	}
	body, err := readOrderBytes(getNumber(length))
	if err != nil {
		return nil, err
	}
	return decodeOrder(body)
}

// readOrderBytes reads as much from the worker. The bound keeps what is no order
// from being waited for.
func readOrderBytes(n uint64) ([]byte, error) {
	const most = 1 << 30
	if n > most {
		return nil, errOrder
	}
	b := make([]byte, n)
	for rest := b; len(rest) > 0; {
		n, err := read(orderFD, rest)
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return b, nil
}

// say answers the worker.
func say(a Answer) error {
	return writeAll(AnswerFD, append(a.AppendJSON(nil), '\n'))
}

// CloseAllOnExec keeps from what is executed what this process has open, also what the
// worker was started with by a careless parent.
func CloseAllOnExec() error {
	const firstOwn = 3
	err := closeOnExecFrom(firstOwn)
	if err == nil || err != syscall.ENOSYS && err != syscall.EINVAL { //nolint:errorlint // a bare errno
		return err
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= firstOwn {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// prepare does what can be done before the run is on record, and leaves nothing
// outside its directory. What it fails with is for launch to say: until the run
// is on record, its directory is the worker's too, and is not removed.
func (t *supervised) prepare(dir string, o *Order) {
	t.cgroup = o.Cgroup
	for _, name := range [...]string{StartedFile, ExitFile} {
		if t.unprepared = reserveRecord(dir, name); t.unprepared != nil {
			return
		}
	}
	t.out = NewLogWriter(dir, o.LogSize, o.LogFiles)
	t.command, t.unprepared = newCommand(o)
}

// launch starts the task and puts it on record.
func (t *supervised) launch(dir string) error {
	if t.unprepared != nil {
		return t.unprepared
	}
	// The thread that starts the task stays: the task is killed when it ends
	// (PR_SET_PDEATHSIG), with the process.
	runtime.LockOSThread()
	if err := t.start(); err != nil {
		return err
	}
	// Not fsynced: a crash of the machine, which alone could lose it, ends
	// the task too.
	if err := WriteRecord(dir, StartedFile, t.started.AppendJSON(nil), false); err != nil {
		t.killEverything()
		return err
	}
	return nil
}

// protectFromOOM makes the supervisor the last that a machine out of memory
// kills; without it an exit code is lost. It takes a privilege to do, and the
// task, which has been started, does not inherit it.
func protectFromOOM() {
	_ = control("/proc/self/oom_score_adj", "-900")
}

// finish waits for the end of the run and puts it on record.
func (t *supervised) finish(dir string) error {
	status := t.reapAll()
	at := time.Now()
	outputErr := t.out.Wait(outputGrace)
	record := Exit{Version: RecordVersion, Time: at.UTC(), OOMKilled: t.cgroup.OOMKilled()}
	code := ExitCode(status)
	record.Code = &code
	switch {
	case record.OOMKilled:
		record.Error = "the kernel killed a process of it for want of memory"
	case status.Signaled():
		record.Error = "killed by signal " + strconv.Itoa(int(status.Signal())) + " (" + signalName(status.Signal()) + ")"
	case outputErr != nil:
		record.Error = outputErr.Error()
	}
	if err := WriteRecord(dir, ExitFile, record.AppendJSON(nil), true); err != nil {
		// Without an exit record the run counts as lost; supervisor.log says
		// why.
		return errors.Join(err, t.cgroup.Remove())
	}
	return t.cgroup.Remove()
}

// ExitCode is the status as a shell has it: 128+n for a signal n.
func ExitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// awaitRun waits, in the supervisor, for the run that assign names. There is
// none, and dir is empty, where the worker ends or has no use for it.
func awaitRun() (dir string, log, lock int, err error) {
	name, rights := make([]byte, syscall.PathMax), make([]byte, syscall.CmsgSpace(2*4))
	n, m, _, _, err := syscall.Recvmsg(orderFD, name, rights, syscall.MSG_CMSG_CLOEXEC)
	for errors.Is(err, syscall.EINTR) {
		n, m, _, _, err = syscall.Recvmsg(orderFD, name, rights, syscall.MSG_CMSG_CLOEXEC)
	}
	if err != nil || n == 0 {
		return "", -1, -1, err
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return "", -1, -1, err
	}
	if len(messages) != 1 {
		return "", -1, -1, errors.New("the run came without its files")
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		return "", -1, -1, err
	}
	if len(fds) != 2 {
		return "", -1, -1, errors.New("the run came with " + strconv.Itoa(len(fds)) + " files")
	}
	return string(name[:n]), fds[0], fds[1], nil
}
