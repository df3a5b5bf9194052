package faults

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ClocksStep says whether there are clocks that step on this architecture.
const ClocksStep = true

// Clock is the wall clock of one process. Its monotonic clock, what it starts,
// and everybody else are left as they are.
//
// A process asks the vDSO for the time, code that the kernel maps into each
// process. In this one the function is another: it asks the kernel and adds an
// offset, which lies behind it.
type Clock struct {
	mu     sync.Mutex // guards the fields below
	memory *os.File   // of the process
	offset int64      // where in it the offset is
	ahead  time.Duration
}

// clockCode is __vdso_clock_gettime(clock=edi, timespec=rsi): the system call,
// and, for CLOCK_REALTIME (0), the offset added to the seconds. The offset lies
// at clockData.
var clockCode = []byte{
	0xb8, unix.SYS_CLOCK_GETTIME, 0, 0, 0, // mov eax, SYS_clock_gettime
	0x0f, 0x05, // syscall
	0x85, 0xff, // test edi, edi
	0x75, 0x0a, // jnz to ret
	0x48, 0x8b, 0x0d, clockData - 18, 0, 0, 0, // mov rcx, [rip + offset]
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3, // ret
}

// clockData is where the offset is, from the function's start, which is aligned
// to 16 bytes: it is written in one piece.
const clockData = 32

// NewClock takes over the clock of a process that has not begun to run: the
// calling thread started it with SysProcAttr.Ptrace, and it stands at its first
// instruction. It runs when NewClock returns, with the right time.
func NewClock(pid int) (*Clock, error) {
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil || !status.Stopped() {
		return nil, fmt.Errorf("process %d does not stand at its first instruction: %w", pid, err)
	}
	c, err := openClock(pid)
	return c, errors.Join(err, syscall.PtraceDetach(pid))
}

func openClock(pid int) (_ *Clock, err error) {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = memory.Close()
		}
	}()
	at, err := findClock(pid, memory)
	if err != nil {
		return nil, err
	}
	if _, err := memory.WriteAt(append(bytes.Clone(clockCode), make([]byte, clockData+8-len(clockCode))...), at); err != nil {
		return nil, fmt.Errorf("the vDSO of process %d cannot be written: %w", pid, err)
	}
	return &Clock{memory: memory, offset: at + clockData}, nil
}

// findClock returns where in a process's memory its clock_gettime is.
func findClock(pid int, memory io.ReaderAt) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	var from, to int64
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(line, "[vdso]\n") {
			if _, err := fmt.Sscanf(line, "%x-%x ", &from, &to); err != nil {
				return 0, fmt.Errorf("the maps of process %d: %w", pid, err)
			}
		}
	}
	image := make([]byte, to-from)
	if _, err := memory.ReadAt(image, from); err != nil {
		return 0, fmt.Errorf("the vDSO of process %d: %w", pid, err)
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, fmt.Errorf("the vDSO of process %d: %w", pid, err)
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return 0, fmt.Errorf("the vDSO of process %d: %w", pid, err)
	}
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" && s.Size >= clockData+8 && s.Value%8 == 0 {
			return from + int64(s.Value), nil
		}
	}
	return 0, fmt.Errorf("the vDSO of process %d has no clock_gettime that can be replaced", pid)
}

// Step moves the process's wall clock by whole seconds. An ended process has no
// clock, and that is no error.
func (c *Clock) Step(by time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := c.ahead + by.Truncate(time.Second)
	seconds := binary.LittleEndian.AppendUint64(nil, uint64(ahead/time.Second))
	if _, err := c.memory.WriteAt(seconds, c.offset); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, unix.EIO) {
		return fmt.Errorf("the clock cannot be stepped: %w", err)
	}
	c.ahead = ahead
	return nil
}

// Close lets go of the process; its clock stays as it is.
func (c *Clock) Close() error { return c.memory.Close() }
