package collector

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cube/collector/rawread"
)

// errStuck says that a file system did not answer in time. A dead network mount
// does so for ever.
var errStuck = errors.New("the file system does not answer")

// statfsCaller asks file systems without waiting for one that hangs longer than
// once: a mount that missed a deadline is stuck until its pending call comes
// back, and is not asked again before. There is at most one call, and so one
// goroutine, a mount. Safe for concurrent use.
type statfsCaller struct {
	statfs  func(path string, buf *unix.Statfs_t) error
	inPlace func(path string, buf *unix.Statfs_t) error // for prompt places; nil where there are none

	mu      sync.Mutex              // guards pending and the calls' stuck
	pending map[string]*pendingCall // by path
	group   sync.WaitGroup
}

// pendingCall is one call that whoever asks for the same path meanwhile shares.
type pendingCall struct {
	done  chan struct{} // closed once buf and err are there
	buf   unix.Statfs_t
	err   error
	stuck bool
}

// newStatfsCaller asks by statfs, or the kernel where that is nil.
func newStatfsCaller(statfs func(string, *unix.Statfs_t) error) *statfsCaller {
	s := &statfsCaller{statfs: statfs, pending: map[string]*pendingCall{}}
	if statfs == nil {
		s.statfs, s.inPlace = unix.Statfs, rawread.Statfs
	}
	return s
}

// place is where to ask a file system.
type place struct {
	path   string
	prompt bool // the answer cannot be long in coming: see promptTypes
}

// statfsResult is one file system's answer.
type statfsResult struct {
	buf unix.Statfs_t
	err error
}

// all asks in all places at once and waits for them together, for as long as
// timeout. One that misses it has errStuck. Where the answer is prompt it is asked
// for at once: another goroutine and a deadline take several times the CPU of the
// call.
func (s *statfsCaller) all(places []place, timeout time.Duration) []statfsResult {
	results := make([]statfsResult, len(places))
	var waiting []startedCall
	for i, p := range places {
		if p.prompt && s.inPlace != nil {
			results[i].err = s.inPlace(p.path, &results[i].buf)
			continue
		}
		if call := s.start(p.path); call != nil {
			waiting = append(waiting, startedCall{call, &results[i]})
		} else {
			results[i].err = errStuck
		}
	}
	if len(waiting) > 0 {
		s.await(waiting, timeout)
	}
	return results
}

// startedCall is a call and where its answer goes.
type startedCall struct {
	*pendingCall
	result *statfsResult
}

// await waits for calls.
func (s *statfsCaller) await(calls []startedCall, timeout time.Duration) {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	over := false
	for _, call := range calls {
		if !over {
			select {
			case <-call.done:
			case <-deadline.C:
				over = true
			}
		}
		*call.result = s.finish(call.pendingCall)
	}
}

// yields are how often others are let run before a call counts as stuck: to enter
// it, to come back from it, and once more.
const yields = 4

// start begins a call, or joins the one under way; nil where that is stuck.
func (s *statfsCaller) start(path string) *pendingCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call := s.pending[path]; call != nil {
		if call.stuck {
			return nil
		}
		return call
	}
	call := &pendingCall{done: make(chan struct{})}
	s.pending[path] = call
	s.group.Go(func() {
		call.err = s.statfs(path, &call.buf)
		s.mu.Lock()
		delete(s.pending, path)
		s.mu.Unlock()
		close(call.done)
	})
	return call
}

// finish takes a call's answer, or marks it stuck where there is none. On a
// machine so busy that nobody has had the CPU for the answer yet, it is the
// machine that is late: those who can run are let run first.
func (s *statfsCaller) finish(call *pendingCall) statfsResult {
	for range yields {
		select {
		case <-call.done:
			return statfsResult{call.buf, call.err}
		default:
			runtime.Gosched()
		}
	}
	s.mu.Lock()
	call.stuck = true
	s.mu.Unlock()
	return statfsResult{err: errStuck}
}

// wait waits for the calls under way, for as long as timeout, and reports whether
// all came back.
func (s *statfsCaller) wait(timeout time.Duration) bool {
	idle := make(chan struct{})
	go func() {
		s.group.Wait()
		close(idle)
	}()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	select {
	case <-idle:
		return true
	case <-deadline.C:
		return false
	}
}
