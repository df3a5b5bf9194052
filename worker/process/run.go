package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"cube/worker"
	"cube/worker/process/supervise"
)

// run is one run, as the worker has it. It is immutable, but for exit, which
// is set before done is closed and read after, and for meter, which guards itself.
type run struct {
	dir     string
	record  runRecord
	started *supervise.Started // nil where the supervisor was lost before it wrote it
	// supervisor is nil where the run had ended when it was found.
	supervisor *supervise.Process
	// child is the supervisor where it is this process' own child, which has
	// to be waited for.
	child *exec.Cmd
	meter keptMeter

	done chan struct{}
	exit worker.Exit
}

// ended reports whether the run has ended, and exit may be read.
func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// end says how the run ended. It is called once.
func (r *run) end(exit worker.Exit) {
	r.exit = exit
	close(r.done)
	r.meter.close()
}

// snapshot is the run as it is now.
func (r *run) snapshot() worker.Run {
	s := worker.Run{Key: r.record.Key, HostPorts: r.record.HostPorts, StartTime: r.record.Created}
	if r.started != nil {
		s.Handle, s.StartTime = "pid:"+strconv.Itoa(r.started.Task.PID), r.started.Time
	}
	if r.ended() {
		exit := r.exit
		s.Exit = &exit
	}
	return s
}

// Wait blocks until the run has ended with all its descendants.
func (rt *Runtime) Wait(ctx context.Context, key worker.Key) (worker.Exit, error) {
	r, err := rt.lookup(key)
	if err != nil {
		return worker.Exit{}, err
	}
	return rt.wait(ctx, r)
}

func (rt *Runtime) wait(ctx context.Context, r *run) (worker.Exit, error) {
	select {
	case <-r.done:
		return r.exit, nil
	default:
	}
	select {
	case <-r.done:
		return r.exit, nil
	case <-ctx.Done():
		return worker.Exit{}, ctx.Err()
	case <-rt.ctx.Done():
		return worker.Exit{}, errClosed
	}
}

// Stop sends SIGTERM to the process group of the run and, after grace, kills
// it with all its descendants. With no grace it is killed at once. A context
// that ends first leaves the run as far as it is.
func (rt *Runtime) Stop(ctx context.Context, key worker.Key, grace time.Duration) error {
	r := rt.find(key)
	if r == nil || r.ended() {
		return nil
	}
	if grace > 0 {
		if err := r.tell(supervise.StopSignal); err != nil {
			return err
		}
		asked, cancel := context.WithTimeout(ctx, grace)
		_, err := rt.wait(asked, r)
		cancel()
		if err == nil || ctx.Err() != nil || rt.ctx.Err() != nil {
			return err
		}
	}
	if err := r.tell(supervise.KillSignal); err != nil {
		return err
	}
	_, err := rt.wait(ctx, r)
	return err
}

// tell sends the supervisor a signal, and wakes it where someone has stopped
// it. A supervisor that has ended is no error.
func (r *run) tell(signal unix.Signal) error {
	err := errors.Join(r.supervisor.Signal(signal), r.supervisor.Signal(unix.SIGCONT))
	if err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("the supervisor of run %s cannot be signalled: %w", r.record.Key, err)
	}
	return nil
}

// watch waits for the supervisor and finds out how the run ended. It gives up
// when the runtime is closed.
func (rt *Runtime) watch(r *run) {
	if err := r.supervisor.WaitContext(rt.ctx); err != nil {
		if rt.ctx.Err() == nil {
			rt.config.Log.Error("A run cannot be watched", "run", r.record.Key, "err", err)
		}
		return
	}
	if r.child != nil {
		// Its exit code says nothing that the record does not.
		_ = r.child.Wait()
	}
	exit, err := rt.conclude(r)
	if err != nil {
		if rt.ctx.Err() != nil {
			return
		}
		rt.config.Log.Error("A run has ended and left something behind", "run", r.record.Key, "err", err)
	}
	r.end(exit)
}

// conclude reads how a run without a living supervisor ended. Where the
// supervisor has not written it, conclude kills what is left of the run and
// writes that the exit code is not known.
func (rt *Runtime) conclude(r *run) (worker.Exit, error) {
	record, err := readRecord[supervise.Exit](r.dir, supervise.ExitFile)
	if err == nil {
		return exitOf(record), r.record.Cgroup.Remove()
	}
	lost := supervise.Exit{Version: supervise.RecordVersion, Time: time.Now(), Error: "its supervisor was lost; the exit code is not known"}
	if r.record.Supervisor.BootID != rt.bootID {
		lost.Error = "the machine was restarted while it ran; the exit code is not known"
		return exitOf(lost), supervise.WriteRecord(r.dir, supervise.ExitFile, lost.AppendJSON(nil), true)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		// Unreadable: what it says is not overwritten.
		lost.Error = "its exit code is not known: " + err.Error()
		return exitOf(lost), nil
	}
	lost.Error += lastWords(r.dir)
	lost.OOMKilled = r.record.Cgroup.OOMKilled()
	err = r.record.Cgroup.Kill()
	if stray := killStrays(rt.ctx, r.record.Key.String(), r.started); stray != nil {
		return exitOf(lost), errors.Join(err, stray)
	}
	return exitOf(lost), errors.Join(err, r.record.Cgroup.Remove(), supervise.WriteRecord(r.dir, supervise.ExitFile, lost.AppendJSON(nil), true))
}

// lastWords is what a supervisor that failed has said, cut to what fits a
// message.
func lastWords(dir string) string {
	const most = 500 // bytes
	text, err := os.ReadFile(filepath.Join(dir, supervise.LogFile))
	text = bytes.TrimSpace(text)
	if err != nil || len(text) == 0 {
		return ""
	}
	return ": " + string(text[:min(len(text), most)])
}
