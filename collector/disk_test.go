package collector

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// A statfs that never returns delays a scrape by the deadline at most once, then
// costs nothing, and there is one waiting goroutine, not one a scrape; when the
// mount answers it is back, and a second hang costs one deadline again.
func TestStuckMountDelaysAScrapeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		answers := make(chan struct{})
		statfs := func(path string, buf *unix.Statfs_t) error {
			if path == "/mnt/dead" {
				calls.Add(1)
				<-answers
			}
			buf.Frsize, buf.Blocks = 1, 1
			return nil
		}
		caller := newStatfsCaller(statfs)
		scrape := func() (took time.Duration, dead error) {
			begin := time.Now()
			results := caller.all([]place{{path: "/"}, {path: "/mnt/dead", prompt: true}, {path: "/home"}}, time.Second)
			if results[0].err != nil || results[2].err != nil {
				t.Errorf("the others: %v, %v", results[0].err, results[2].err)
			}
			return time.Since(begin), results[1].err
		}
		for hang := range int32(2) {
			if took, err := scrape(); took != time.Second || err != errStuck { //nolint:errorlint // the very value
				t.Errorf("hang %d, first scrape: took %v, %v", hang, took, err)
			}
			for range 10_000 {
				if took, err := scrape(); took != 0 || err != errStuck { //nolint:errorlint // the very value
					t.Fatalf("hang %d, later scrape: took %v, %v", hang, took, err)
				}
			}
			if calls.Load() != hang+1 {
				t.Errorf("hang %d: %d calls wait", hang, calls.Load())
			}
			answers <- struct{}{}
			synctest.Wait()
		}
		close(answers)
		if took, err := scrape(); took != 0 || err != nil {
			t.Errorf("after it came back: took %v, %v", took, err)
		}
	})
}

// A mount that is slow for one scrape serves another that asks meanwhile.
func TestConcurrentScrapesShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		caller := newStatfsCaller(func(_ string, buf *unix.Statfs_t) error {
			calls.Add(1)
			<-time.After(500 * time.Millisecond)
			buf.Blocks = 7
			return nil
		})
		blocks := make(chan uint64, 2)
		for range 2 {
			go func() { blocks <- caller.all([]place{{path: "/slow"}}, time.Second)[0].buf.Blocks }()
		}
		if a, b := <-blocks, <-blocks; a != 7 || b != 7 || calls.Load() != 1 {
			t.Errorf("got %d and %d by %d calls", a, b, calls.Load())
		}
	})
}

// The book measured / only, not where tasks' data lives; and a mount that is
// filtered out must not hide it.
func TestDataRootIsAlwaysMeasured(t *testing.T) {
	c := newCollector(t, Config{DataRoot: "/var/lib/docker/overlay2/abc/merged/data", Statfs: func(path string, buf *unix.Statfs_t) error {
		if strings.HasPrefix(path, "/var/lib/docker") {
			return disks("/var/lib/docker/x", buf)
		}
		return disks(path, buf)
	}})
	got := pageOf(t, c)
	for _, want := range []string{
		`cube_data_disk_total_bytes 4096`,
		`cube_disk_total_bytes{device="overlay",fstype="overlay",mountpoint="/var/lib/docker/overlay2/abc/merged"} 4096`,
	} {
		if !has(got, want) {
			t.Errorf("want %s in\n%s", want, got)
		}
	}
}

// node_exporter#1906, #3261: in a container the host's root is mounted somewhere else: the container's own
// file system must not be taken for the host's.
func TestRootPathIsTheHosts(t *testing.T) {
	c := newCollector(t, Config{RootPath: "/host", DataRoot: "/host/data", Statfs: func(path string, buf *unix.Statfs_t) error {
		rest, below := strings.CutPrefix(path, "/host")
		if !below {
			t.Errorf("asked for %s of the container", path)
		}
		if rest == "" {
			rest = "/"
		}
		return disks(rest, buf)
	}})
	if got := pageOf(t, c); !has(got, `cube_disk_total_bytes{device="/dev/sda1",fstype="ext4",mountpoint="/"} 4.096e+06`) {
		t.Errorf("got\n%s", got)
	}
}

func TestReadOnlyDisksOnRequest(t *testing.T) {
	const backup = `cube_disk_total_bytes{device="/dev/sdc1",fstype="ext4",mountpoint="/mnt/backup"}`
	if has(pageOf(t, newCollector(t, Config{})), backup) {
		t.Error("a read-only file system is measured by default")
	}
	if !has(pageOf(t, newCollector(t, Config{ReadOnly: true})), backup) {
		t.Error("a read-only file system is not measured though asked for")
	}
}
