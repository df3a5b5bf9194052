package collector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hangingMount is a FUSE file system whose statfs answers only while it is told
// to: a dead network mount, made in the test. See the kernel's
// include/uapi/linux/fuse.h.
type hangingMount struct {
	dir string
	dev int

	mu      sync.Mutex // guards what follows
	hangs   bool
	waiting []uint64 // requests not yet answered
	asked   int
}

const (
	fuseGetattr = 3
	fuseStatfs  = 17
	fuseInit    = 26
)

// mountHanging mounts it until the test ends.
func mountHanging(t *testing.T) *hangingMount {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a FUSE file system needs root")
	}
	dev, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	m := &hangingMount{dir: t.TempDir(), dev: dev}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", dev)
	if err := unix.Mount("cube-test", m.dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		_ = unix.Close(dev)
		t.Skipf("this machine cannot mount FUSE: %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- m.serve() }()
	t.Cleanup(func() {
		m.hang(false)
		if err := unix.Unmount(m.dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("the FUSE server: %v", err)
		}
		_ = unix.Close(dev)
	})
	return m
}

// serve answers the kernel until the file system is unmounted.
func (m *hangingMount) serve() error {
	request := make([]byte, 1<<17)
	for {
		n, err := unix.Read(m.dev, request)
		switch {
		case errors.Is(err, unix.ENODEV):
			return nil
		case errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return err
		case n < 40:
			return fmt.Errorf("a request of %d bytes", n)
		}
		m.handle(binary.NativeEndian.Uint32(request[4:]), binary.NativeEndian.Uint64(request[8:]))
	}
}

func (m *hangingMount) handle(opcode uint32, id uint64) {
	switch opcode {
	case fuseInit:
		answer := make([]byte, 64)
		binary.NativeEndian.PutUint32(answer[0:], 7)
		binary.NativeEndian.PutUint32(answer[4:], 31)
		binary.NativeEndian.PutUint32(answer[20:], 4096) // max_write
		m.reply(id, 0, answer)
	case fuseStatfs:
		m.mu.Lock()
		m.asked++
		if m.hangs {
			m.waiting = append(m.waiting, id)
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		m.replyStatfs(id)
	case fuseGetattr:
		m.reply(id, unix.EIO, nil)
	default:
		m.reply(id, unix.ENOSYS, nil)
	}
}

// hang makes statfs hang from now on, or answer again, also what waits.
func (m *hangingMount) hang(hangs bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hangs = hangs
	if !hangs {
		for _, id := range m.waiting {
			m.replyStatfs(id)
		}
		m.waiting = nil
	}
}

func (m *hangingMount) replyStatfs(id uint64) {
	answer := make([]byte, 80)
	for i, v := range []uint64{1000, 500, 400, 100, 50} {
		binary.NativeEndian.PutUint64(answer[8*i:], v)
	}
	binary.NativeEndian.PutUint32(answer[40:], 4096) // bsize
	binary.NativeEndian.PutUint32(answer[48:], 4096) // frsize
	m.reply(id, 0, answer)
}

func (m *hangingMount) reply(id uint64, errno unix.Errno, body []byte) {
	answer := make([]byte, 16, 16+len(body))
	binary.NativeEndian.PutUint32(answer[0:], uint32(16+len(body)))
	binary.NativeEndian.PutUint32(answer[4:], uint32(-int32(errno)))
	binary.NativeEndian.PutUint64(answer[8:], id)
	_, _ = unix.Write(m.dev, append(answer, body...)) // the request may be gone
}

// node_exporter#868, #578, #1353, #3058: a mount that does not answer held up every
// scrape, and each left a thread behind. Here it costs one deadline, once a hang.
func TestFUSEMountThatHangs(t *testing.T) {
	const (
		deadline = 300 * time.Millisecond
		later    = 10_000 // scrapes, once it hangs
	)
	m := mountHanging(t)
	c, err := New(Config{
		DataRoot: "/", StatfsTimeout: deadline,
		FSTypesInclude: regexp.MustCompile("^fuse$"), MountPointsInclude: regexp.MustCompile("^" + regexp.QuoteMeta(m.dir) + "$"),
	})
	if err != nil {
		t.Fatal(err)
	}
	disks, err := c.Select([]string{"disk"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	scrape := func() (page string, took time.Duration) {
		begin := time.Now()
		page = pageOf(t, c)
		return page, time.Since(begin)
	}
	series := func(metric string) string {
		return metric + `{device="cube-test",fstype="fuse",mountpoint="` + m.dir + `"} `
	}
	if page, _ := scrape(); !has(page, series("cube_disk_available_bytes")+"1.6384e+06") || !has(page, series("cube_disk_device_error")+"0") {
		t.Fatalf("a mount that answers:\n%s", page)
	}
	for hang := range 2 {
		m.hang(true)
		page, took := scrape()
		if took < deadline || !has(page, series("cube_disk_device_error")+"1") || has(page, series("cube_disk_total_bytes")) {
			t.Errorf("hang %d, first scrape: took %v\n%s", hang, took, page)
		}
		if !has(page, "cube_load1 ") || !has(page, "cube_cpu_seconds_total") || !has(page, "cube_data_disk_total_bytes ") {
			t.Errorf("hang %d: the rest of the page is missing:\n%s", hang, page)
		}
		goroutines, asked := runtime.NumGoroutine(), m.count()
		begin := time.Now()
		for range later {
			_, done, err := disks.Gather()
			if err != nil {
				t.Fatal(err)
			}
			done()
		}
		if each := time.Since(begin) / later; each > deadline/10 {
			t.Errorf("hang %d: later scrapes took %v each", hang, each)
		}
		// One that has answered may not have left yet; and whoever else
		// measures this machine meanwhile asks the mount, too.
		if now := runtime.NumGoroutine(); now > goroutines+5 || m.count() > asked+50 {
			t.Errorf("hang %d: %d goroutines became %d, %d calls %d", hang, goroutines, now, asked, m.count())
		}
		m.hang(false)
		awaitPage(t, c, series("cube_disk_device_error")+"0")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func (m *hangingMount) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// awaitPage waits until the page has the series.
func awaitPage(t *testing.T, c *Collector, series string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if strings.Contains(pageOf(t, c), "\n"+series) {
			return
		}
		<-tick.C
	}
	t.Fatalf("the page does not come to have %s", series)
}
