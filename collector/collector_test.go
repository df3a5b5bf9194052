package collector

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
)

var update = flag.Bool("update", false, "write the golden page anew")

// durations are the only figures of a recorded machine that differ from run to
// run.
var durations = regexp.MustCompile(`(cube_collector_duration_seconds\{collector="\w+"\}) \S+`)

// pageOf is the whole page of a collector, as text.
func pageOf(t testing.TB, c *Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	encoder := expfmt.NewEncoder(&text, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			t.Fatal(err)
		}
	}
	return durations.ReplaceAllString(text.String(), "$1 0")
}

func TestGoldenPage(t *testing.T) {
	const golden = "testdata/machine/page.txt"
	dir := copyMachine(t)
	now := time.Unix(1_700_000_000, 0)
	c := newCollector(t, Config{ProcPath: dir, Now: func() time.Time { return now }})
	pageOf(t, c)
	// Ten seconds later: 1,480 busy ticks of 1,980.
	now = now.Add(10 * time.Second)
	writeFile(t, dir, "stat", withStat(t, "cpu  2000 400 500 8400 500 30 60 50 50 5"))
	got := pageOf(t, c)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the page (-want +got); -update writes it anew:\n%s", diff)
	}
}

func TestMetricsAreLinted(t *testing.T) {
	problems, err := testutil.CollectAndLint(newCollector(t, Config{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

// has reports whether a metric, or one of its series, is on the page.
func has(page, series string) bool { return strings.Contains(page, "\n"+series) }

// One source that fails hides its own metrics and no one else's; the book made
// zeros of it, which look like values.
func TestReadErrorIsNotAZero(t *testing.T) {
	for name, test := range map[string]struct {
		file, text, collector, metric string
	}{
		"stat is empty":         {"stat", "", "cpu", "cube_cpu_seconds_total"},
		"stat is garbled":       {"stat", "cpu a b c\n", "cpu", "cube_cpu_seconds_total"},
		"stat is cut off":       {"stat", "cpu  100 200 3", "cpu", "cube_cpu_seconds_total"},
		"meminfo is empty":      {"meminfo", "", "memory", "cube_memory_total_bytes"},
		"meminfo has no total":  {"meminfo", "MemFree: 5 kB\n", "memory", "cube_memory_total_bytes"},
		"more available":        {"meminfo", "MemTotal: 5 kB\nMemAvailable: 6 kB\n", "memory", "cube_memory_available_bytes"},
		"loadavg is cut off":    {"loadavg", "0.2 0.1", "load", "cube_load1"},
		"loadavg is not finite": {"loadavg", "NaN 0.1 0.1 1/2 3\n", "load", "cube_load1"},
		"loadavg is negative":   {"loadavg", "-1 0.1 0.1 1/2 3\n", "load", "cube_load1"},
		"mountinfo is garbled":  {"1/mountinfo", "22 1\n", "disk", "cube_disk_total_bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyMachine(t)
			writeFile(t, dir, test.file, test.text)
			got := pageOf(t, newCollector(t, Config{ProcPath: dir}))
			if has(got, test.metric) {
				t.Errorf("%s is there:\n%s", test.metric, got)
			}
			for _, collector := range []string{"cpu", "memory", "load", "pressure", "disk"} {
				want := "1"
				if collector == test.collector {
					want = "0"
				}
				if line := `cube_collector_success{collector="` + collector + `"} ` + want; !has(got, line) {
					t.Errorf("want %s", line)
				}
			}
		})
	}
}

// node_exporter#608: MemAvailable cannot be rebuilt from the rest: a kernel without it has no such
// metric.
func TestNoMemAvailableIsAbsent(t *testing.T) {
	dir := copyMachine(t)
	writeFile(t, dir, "meminfo", "MemTotal: 5000 kB\nMemFree: 1000 kB\n")
	got := pageOf(t, newCollector(t, Config{ProcPath: dir}))
	if !has(got, "cube_memory_total_bytes 5.12e+06") || has(got, "cube_memory_available_bytes") || has(got, "cube_memory_used_bytes") {
		t.Errorf("got\n%s", got)
	}
}

// node_exporter#3051: a kernel without the line "full" for the CPU failed the
// whole source.
func TestPressureOfOldKernels(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		dir := copyMachine(t)
		if err := os.RemoveAll(dir + "/pressure"); err != nil {
			t.Fatal(err)
		}
		got := pageOf(t, newCollector(t, Config{ProcPath: dir}))
		if has(got, "cube_pressure") || !has(got, `cube_collector_success{collector="pressure"} 1`) {
			t.Errorf("got\n%s", got)
		}
	})
	t.Run("no full line for the CPU", func(t *testing.T) {
		dir := copyMachine(t)
		writeFile(t, dir, "pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=0.50 total=2500000\n")
		got := pageOf(t, newCollector(t, Config{ProcPath: dir}))
		if !has(got, `cube_pressure_some_ratio{resource="cpu"} 0.125`) || has(got, `cube_pressure_full_ratio{resource="cpu"}`) ||
			!has(got, `cube_pressure_full_ratio{resource="io"} 0.5`) {
			t.Errorf("got\n%s", got)
		}
	})
}

func TestConfigThatCannotBe(t *testing.T) {
	if _, err := New(Config{ProcPath: "testdata/none"}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "testdata/none") {
		t.Errorf("no proc file system: %v", err)
	}
	for _, cfg := range []Config{
		{Window: time.Second, MinWindow: 2 * time.Second}, {MinWindow: -1}, {StatfsTimeout: -1}, {CPU: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestCapacity(t *testing.T) {
	got, err := newCollector(t, Config{}).Capacity()
	if want := (Capacity{Cores: 2, Memory: 8000000 << 10, Disk: 4096000}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	got, err = newCollector(t, Config{CPU: 0.5}).Capacity()
	if err != nil || got.Cores != 0.5 {
		t.Errorf("narrowed to half a core: %+v, %v", got, err)
	}
}
