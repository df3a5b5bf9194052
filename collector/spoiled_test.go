package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// spoilers make a file one that cannot be read, each in its way.
var spoilers = map[string]func(t *testing.T, path string){
	"vanished":    func(t *testing.T, path string) { must(t, os.Remove(path)) },
	"empty":       func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
	"a directory": func(t *testing.T, path string) { must(t, os.Remove(path), os.Mkdir(path, 0o755)) },
	"a loop":      func(t *testing.T, path string) { must(t, os.Remove(path), os.Symlink(path, path)) },
	"binary": func(t *testing.T, path string) {
		must(t, os.WriteFile(path, bytes.Repeat([]byte{0, 0xff}, 500), 0o644))
	},
	"a 10 MB line":                  func(t *testing.T, path string) { must(t, os.WriteFile(path, bytes.Repeat([]byte("9"), 10<<20), 0o644)) },
	"cut off within the first word": func(t *testing.T, path string) { must(t, os.Truncate(path, 3)) },
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// Whatever becomes of a file, its source says so and the rest of the page is
// right; when the file is back, so are its metrics. In the book it became zeros.
func TestSpoiledFilesHideTheirOwnMetricsOnly(t *testing.T) {
	files := map[string]string{
		"cpu": "stat", "memory": "meminfo", "load": "loadavg", "pressure": "pressure/io", "disk": "1/mountinfo",
	}
	for source, name := range files {
		for how, spoil := range spoilers {
			t.Run(name+" is "+how, func(t *testing.T) {
				dir := copyMachine(t)
				var log bytes.Buffer
				c := newCollector(t, Config{ProcPath: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
				whole := pageOf(t, c)
				path := filepath.Join(dir, name)
				good, err := os.ReadFile(path)
				must(t, err)
				spoil(t, path)
				pageOf(t, c)
				got := pageOf(t, c)
				for other := range files {
					want := fmt.Sprintf("cube_collector_success{collector=%q} 1", other)
					if other == source {
						want = strings.TrimSuffix(want, "1") + "0"
					}
					if !has(got, want) {
						t.Errorf("want %s in\n%s", want, got)
					}
				}
				for _, s := range c.sources {
					for _, f := range s.families {
						if there := has(got, metrics[f].Name+" ") || has(got, metrics[f].Name+"{"); there == (s.name == source) && has(whole, metrics[f].Name) {
							t.Errorf("%s: there is %v", metrics[f].Name, there)
						}
					}
				}
				if n := strings.Count(log.String(), "cannot be read"); n != 1 {
					t.Errorf("the log says it %d times:\n%s", n, &log)
				}
				must(t, os.RemoveAll(path), os.WriteFile(path, good, 0o644))
				if got := pageOf(t, c); !has(got, fmt.Sprintf("cube_collector_success{collector=%q} 1", source)) {
					t.Errorf("the file is back, its metrics are not:\n%s", got)
				}
			})
		}
	}
}

// node_exporter#1961: a kernel started with psi=0 has the files and refuses to
// read them. That is no failure, unless they could be read before.
func TestPressureThatIsSwitchedOff(t *testing.T) {
	for _, err := range []error{&fs.PathError{Op: "read", Err: unix.EOPNOTSUPP}, &fs.PathError{Op: "open", Err: unix.ENOENT}} {
		if !noPressure(err) {
			t.Errorf("%v counts as a failure", err)
		}
	}
	if noPressure(&fs.PathError{Op: "open", Err: unix.EACCES}) {
		t.Error("a file that may not be read counts as none")
	}
}

// The log says once, not at every scrape, that the kernel has no pressure.
func TestNoPressureIsSaidOnce(t *testing.T) {
	dir := copyMachine(t)
	must(t, os.RemoveAll(filepath.Join(dir, "pressure")))
	var log bytes.Buffer
	c := newCollector(t, Config{ProcPath: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		pageOf(t, c)
	}
	if n := strings.Count(log.String(), "no pressure information"); n != 1 {
		t.Errorf("said %d times:\n%s", n, &log)
	}
}

// In the book Stats was shared without a lock. Many scrapers at once, of every
// kind, while the machine moves on: each sees a whole page.
func TestManyScrapersAtOnce(t *testing.T) {
	dir := copyMachine(t)
	c := newCollector(t, Config{ProcPath: dir})
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			for range 5 {
				switch i % 4 {
				case 0:
					if got := pageOf(t, c); !has(got, `cube_collector_success{collector="cpu"} 1`) || !has(got, "cube_load1 ") {
						t.Errorf("a page is not whole:\n%s", got)
					}
				case 1:
					if got := served(t, c, "text/plain"); strings.Count(got, "cube_cpu_seconds_total{") != 10 {
						t.Errorf("a page is not whole:\n%s", got)
					}
				case 2:
					if stats, err := c.Stats(); err != nil || stats.MemTotalKb() != 8000000 {
						t.Errorf("%d kB, %v", stats.MemTotalKb(), err)
					}
				default:
					if _, err := c.Capacity(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
}

// A scrape costs few allocations: the memory of the pages is used again.
func TestGatherAllocatesLittle(t *testing.T) {
	c, err := New(Config{MountPointsInclude: regexp.MustCompile("^/$")})
	must(t, err)
	got := testing.AllocsPerRun(100, func() {
		_, done, err := c.Gather()
		must(t, err)
		done()
	})
	// Under the race detector the pool loses pages now and then.
	if got > 100 {
		t.Errorf("%v allocations a page", got)
	}
	must(t, c.Close())
}

// node_exporter#1686: the log had it at every scrape what could not be read. Here
// the log has it once, and once more when it can be read again.
func TestFailingSourceIsSaidOnce(t *testing.T) {
	dir := copyMachine(t)
	good, err := os.ReadFile(filepath.Join(dir, "loadavg"))
	must(t, err)
	var log bytes.Buffer
	c := newCollector(t, Config{ProcPath: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, text := range []string{"garbled\n", string(good)} {
		writeFile(t, dir, "loadavg", text)
		for range 3 {
			pageOf(t, c)
		}
	}
	failed, mended := strings.Count(log.String(), "cannot be read"), strings.Count(log.String(), "can be read again")
	if failed != 1 || mended != 1 {
		t.Errorf("said %d times that it fails, %d times that it is well again:\n%s", failed, mended, &log)
	}
}
