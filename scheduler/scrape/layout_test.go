package scrape

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cube/scheduler"
)

// readPair reads two pages of one target one after the other and returns what
// came of the second, and whether it was read by the first one's layout.
func readPair(t *testing.T, s Source, first, second string) (r scheduler.Reading, failure *Failure, followed bool) {
	t.Helper()
	source, err := compile(s)
	if err != nil {
		t.Fatal(err)
	}
	target := &target{Target: Target{Node: "w", DataRoot: "/var/lib/cube"}, source: source}
	target.memory.clock = scheduler.Absent()
	p := new(page)
	if failure = p.readOf(target, []byte(first), DefaultMaxSamples, maxLayout); failure != nil {
		t.Fatalf("the first page: %s", failure.Reason)
	}
	if _, failure = p.reading("w", 0, &target.memory); failure != nil {
		t.Fatalf("the first page: %s", failure.Reason)
	}
	before := target.memory.layout
	p.begin(source, target.DataRoot)
	followed = p.follow(before, []byte(second))
	if failure = p.readOf(target, []byte(second), DefaultMaxSamples, maxLayout); failure == nil {
		r, failure = p.reading("w", scheduler.Instant(5*time.Second), &target.memory)
	}
	return r, failure, followed
}

// parsed is what the second of two pages says when no layout helps.
func parsed(t *testing.T, s Source, first, second string) (scheduler.Reading, *Failure) {
	t.Helper()
	source, err := compile(s)
	if err != nil {
		t.Fatal(err)
	}
	m, p := memory{clock: scheduler.Absent()}, new(page)
	var r scheduler.Reading
	for i, text := range []string{first, second} {
		p.begin(source, "/var/lib/cube")
		failure := p.read([]byte(text), DefaultMaxSamples)
		if failure == nil {
			r, failure = p.reading("w", scheduler.Instant(i)*scheduler.Instant(5*time.Second), &m)
		}
		if failure != nil {
			return r, failure
		}
	}
	return r, nil
}

// sameReading holds what came of a page against what the parser makes of it.
func sameReading(t *testing.T, s Source, first, second string) (followed bool) {
	t.Helper()
	got, failure, followed := readPair(t, s, first, second)
	want, wantFailure := parsed(t, s, first, second)
	if (failure == nil) != (wantFailure == nil) || (failure != nil && failure.Reason != wantFailure.Reason) {
		t.Fatalf("the second page: got the failure %v, want %v\n%s", failure, wantFailure, second)
	}
	if failure != nil {
		return followed
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the second page reads differently by the layout (-parsed +followed):\n%s", diff)
	}
	return followed
}

func TestLayoutReadsWhatTheParserReads(t *testing.T) {
	first := workerPage(noon, 3)
	later := workerPage(noon.Add(5*time.Second), 3)
	swap := func(old, changed string) string {
		if !strings.Contains(later, old) {
			t.Fatalf("the page has no %q", old)
		}
		return strings.ReplaceAll(later, old, changed)
	}
	for name, tt := range map[string]struct {
		page     string
		followed bool
	}{
		"other values":                {swap(" 12.75\n", " 1.3e+01\n"), true},
		"longer value":                {swap("ratio 0.25\n", "ratio 0.123456789012345678\n"), true},
		"unwanted value negative":     {swap("} 0.01\n", "} -0.01\n"), true},
		"unwanted value not a number": {swap("} 0.01\n", "} NaN\n"), false},
		"negative value":              {swap("ratio 0.25\n", "ratio -0.25\n"), false},
		"ratio above 1":               {swap("ratio 0.25\n", "ratio 1.25\n"), true},
		"value missing":               {swap("ratio 0.25\n", "ratio \n"), false},
		"value too large":             {swap("ratio 0.25\n", "ratio 1e999\n"), false},
		"two points":                  {swap("ratio 0.25\n", "ratio 0.2.5\n"), false},
		"hexadecimal":                 {swap("ratio 0.25\n", "ratio 0x1p-2\n"), false},
		"with a time of its own":      {swap("ratio 0.25\n", "ratio 0.25 1700000000\n"), false},
		"one task more":               {workerPage(noon.Add(5*time.Second), 4), false},
		"one task less":               {workerPage(noon.Add(5*time.Second), 2), false},
		"a metric renamed":            {swap("cube_load1", "cube_load_1"), false},
		"help text changed":           {swap("in a sentence", "in another sentence"), false},
		"something after the end":     {later + "x 1\n", false},
		"a comment after the end":     {later + "# the end\n", false},
		"cut off in a value":          {strings.TrimSuffix(later, "9\n"), false},
		"cut off after a line":        {later[:strings.LastIndexByte(later[:len(later)-1], '\n')+1], false},
		"empty":                       {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if followed := sameReading(t, CubeWorker(), first, tt.page); followed != tt.followed {
				t.Errorf("read by the layout: %v; want %v", followed, tt.followed)
			}
		})
	}
}

// What a node_exporter counts by CPU and lists by mount is read by the layout
// as by the parser.
func TestLayoutOfNodeExporter(t *testing.T) {
	page := func(clock, user string) string {
		return "# HELP node_cpu_seconds_total Seconds the CPUs spent in each mode.\n" +
			`node_cpu_seconds_total{cpu="0",mode="idle"} 100` + "\n" +
			`node_cpu_seconds_total{cpu="0",mode="user"} ` + user + "\n" +
			`node_cpu_seconds_total{cpu="1",mode="idle"} 101` + "\n" +
			`node_cpu_seconds_total{cpu="1",mode="user"} 7` + "\n" +
			`node_filesystem_avail_bytes{mountpoint="/"} 5` + "\n" +
			`node_filesystem_avail_bytes{mountpoint="/var/lib"} 6` + "\n" +
			`node_filesystem_avail_bytes{mountpoint="/var/lib/docker"} 7` + "\n" +
			`node_filesystem_size_bytes{mountpoint="/"} 50` + "\n" +
			`node_filesystem_size_bytes{mountpoint="/var/lib"} 60` + "\n" +
			`node_filesystem_size_bytes{mountpoint="/var/lib/docker"} 70` + "\n" +
			"node_memory_MemAvailable_bytes 30\nnode_memory_MemTotal_bytes 40\n" +
			"node_time_seconds " + clock + "\n"
	}
	first, second := page("1000", "10"), page("1005", "14")
	if !sameReading(t, NodeExporter(), first, second) {
		t.Error("the second page was not read by the layout of the first")
	}
	r, failure, _ := readPair(t, NodeExporter(), first, second)
	if failure != nil {
		t.Fatal(failure)
	}
	if r.CpuCores != 2 || r.DiskTotal != 60 || r.DiskAvailable != 6 || r.CpuUsage != 1 {
		t.Errorf("the reading is %+v", r)
	}
}

// A page with a line break inside of a quoted name or label is no page of one
// sample a line: it has no layout.
func TestLayoutNeedsOneSampleALine(t *testing.T) {
	const clock = "cube_time_seconds 5\n"
	for name, text := range map[string]string{
		"line break in a label":        clock + "x{a=\"b\ncube_load1 7\n\"} 1\n",
		"line break in a quoted name":  clock + "# HELP \"x\ncube_load1 7\n\" help\n",
		"blanks after a value":         clock + "x 1 \n",
		"a time of its own":            clock + "x 1 5\n",
		"longer than layouts are kept": clock + strings.Repeat("x{long=\""+strings.Repeat("y", 1000)+"\"} 1\n", maxLayout/1000),
	} {
		t.Run(name, func(t *testing.T) {
			if sameReading(t, CubeWorker(), text, text) {
				t.Error("the page was read by a layout")
			}
		})
	}
}

// FuzzLayout holds the second of two pages, read by the layout of the first,
// against what the parser makes of it.
func FuzzLayout(f *testing.F) {
	pages := []string{
		workerPage(noon, 2), "cube_time_seconds 1\n", "cube_time_seconds 1\ncube_load1{} -0\n",
		"# HELP a b\ncube_time_seconds\t1\n\n# x\n", "cube_time_seconds 1\nx{a=\"\n\"}2\n",
	}
	recorded, err := filepath.Glob("testdata/*.prom")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range recorded {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		pages = append(pages, string(text))
	}
	for _, first := range pages {
		f.Add(first, first)
		f.Add(first, strings.Replace(first, " 1\n", " 2\n", 1))
	}
	source, err := compile(CubeWorker())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		target := &target{Target: Target{Node: "w", DataRoot: "/"}, source: source}
		byLayout, byParser := new(page), new(page)
		if byLayout.readOf(target, []byte(first), 1000, maxLayout) != nil {
			return
		}
		byLayout.begin(source, "/")
		if !byLayout.follow(target.memory.layout, []byte(second)) {
			return
		}
		byParser.begin(source, "/")
		if failure := byParser.read([]byte(second), 1000); failure != nil {
			t.Fatalf("the layout takes what the parser refuses: %s", failure.Reason)
		}
		for i := range byParser.numbers {
			if math.Float64bits(byLayout.numbers[i]) != math.Float64bits(byParser.numbers[i]) {
				t.Errorf("figure %d is %v by the layout; the parser says %v", i, byLayout.numbers[i], byParser.numbers[i])
			}
		}
		if diff := cmp.Diff(byParser.tasks, byLayout.tasks, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("the tasks differ (-parsed +followed):\n%s", diff)
		}
		if byLayout.seen != byParser.seen {
			t.Errorf("seen %b; the parser saw %b", byLayout.seen, byParser.seen)
		}
	})
}

// A page of node_exporter with all its collectors is followed, not parsed anew,
// in a fleet of some size; in one too large for that, no target's layout is kept.
func TestLayoutsHaveABoundTogether(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "node_exporter_defaults.prom"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := compile(NodeExporter())
	if err != nil {
		t.Fatal(err)
	}
	for targets, kept := range map[int]bool{1: true, 10_000: true, 1_000_000: false} {
		one, p := &target{Target: Target{Node: "w", DataRoot: "/"}, source: source}, new(page)
		if failure := p.readOf(one, text, DefaultMaxSamples, layoutLimit(targets)); failure != nil {
			t.Fatal(failure)
		}
		layout := one.memory.layout
		if (layout != nil) != kept {
			t.Errorf("with %d targets the layout of %d bytes is kept: %v, want %v", targets, len(text), layout != nil, kept)
		}
		p.begin(source, "/")
		if kept && !p.follow(layout, text) {
			t.Error("the next page is not read by the layout")
		}
		if kept && targets*len(text) > allLayouts {
			t.Errorf("%d targets keep %d bytes each", targets, len(text))
		}
	}
}
