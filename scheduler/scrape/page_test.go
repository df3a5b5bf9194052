package scrape

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cube/scheduler"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// readPage reads one page as the loop would.
func readPage(t testing.TB, s Source, text, dataRoot string, at scheduler.Instant, m *memory) (scheduler.Reading, *Failure) {
	t.Helper()
	source, err := compile(s)
	if err != nil {
		t.Fatal(err)
	}
	var p page
	p.begin(source, dataRoot)
	if failure := p.read([]byte(text), DefaultMaxSamples); failure != nil {
		return absentReading("w1"), failure
	}
	return p.reading("w1", at, m)
}

func fresh() *memory { return &memory{clock: scheduler.Absent()} }

func TestWorkerPage(t *testing.T) {
	got, failure := readPage(t, CubeWorker(), workerPage(noon, 2), "/", 7, fresh())
	if failure != nil {
		t.Fatal(failure)
	}
	want := scheduler.Reading{
		Node: "w1", At: 7, Clock: float64(noon.Unix()),
		CpuUsage: 0.25, CpuWindow: 15.003, CpuCores: 8,
		MemoryTotal: 1.6e10, MemoryAvailable: 1.2e10, DiskTotal: 1e11, DiskAvailable: 7e10, Load1: 1.93,
		AllocatableCpu: 7.5, AllocatableMemory: 1.5e10, AllocatableDisk: 9e10, OvercommitCpu: 2,
		TasksGeneration: 42,
		Tasks: []scheduler.TaskReading{
			{ID: taskID(0), CpuSeconds: 12.75, MemoryBytes: 5 << 20, StartTime: 1795546945.5017009},
			{ID: taskID(1), CpuSeconds: 12.75, MemoryBytes: 5 << 20, StartTime: 1795546945.5017009},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the reading differs (-want +got):\n%s", diff)
	}
}

// A page may be written in any way that the format allows.
func TestPageInUnusualForms(t *testing.T) {
	id := taskID(1).String()
	for name, page := range map[string]string{
		"blanks":        "cube_time_seconds   5 \ncube_task_memory_bytes { task = \"" + id + "\" , } 7\n",
		"quoted name":   "{\"cube_time_seconds\"} 5\n{\"cube_task_memory_bytes\",task=\"" + id + "\"} 7\n",
		"escapes":       "cube_time_seconds 5\ncube_task_memory_bytes{name=\"a\\\"}\\n{\",task=\"" + id + "\"} 7\n",
		"quoted label":  "cube_time_seconds 5\ncube_task_memory_bytes{\"task\"=\"" + id + "\",\"ä.b\"=\"x\"} 7\n",
		"empty braces":  "cube_time_seconds{} 5\ncube_task_memory_bytes{task=\"" + id + "\",name=\"\"} 7\n",
		"types, blanks": "# a remark\n\n# TYPE cube_time_seconds untyped\ncube_time_seconds 5\ncube_task_memory_bytes{task=\"" + id + "\"}\t0.7e1\n",
	} {
		got, failure := readPage(t, CubeWorker(), page, "/", 0, fresh())
		if failure != nil {
			t.Errorf("%s: %v", name, failure)
			continue
		}
		if got.Clock != 5 || len(got.Tasks) != 1 || got.Tasks[0].ID != taskID(1) || got.Tasks[0].MemoryBytes != 7 {
			t.Errorf("%s: got clock %v and tasks %v", name, got.Clock, got.Tasks)
		}
	}
}

// kubernetes/enhancements#5062: pressure rises from a task's own limit, too, so that
// a node must not be judged by it alone. Here nothing is: a reading is the same
// whatever the page says of pressure.
func TestPressureAloneJudgesNobody(t *testing.T) {
	calm := workerPage(noon, 2)
	pressed := calm + "cube_pressure_some_ratio{resource=\"cpu\"} 1\ncube_pressure_full_ratio{resource=\"cpu\"} 1\n"
	want, failure := readPage(t, CubeWorker(), calm, "/", 7, fresh())
	if failure != nil {
		t.Fatal(failure)
	}
	got, failure := readPage(t, CubeWorker(), pressed, "/", 7, fresh())
	if failure != nil {
		t.Fatal(failure)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the reading differs under pressure (-calm +pressed):\n%s", diff)
	}
}

// What a page does not have is absent, never zero.
func TestAbsentIsNotZero(t *testing.T) {
	got, failure := readPage(t, CubeWorker(), "cube_time_seconds 5\n", "/", 0, fresh())
	if failure != nil {
		t.Fatal(failure)
	}
	want := absentReading("w1")
	want.Clock = 5
	if diff := cmp.Diff(want, got, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the reading differs (-want +got):\n%s", diff)
	}
}

func TestRefusedPages(t *testing.T) {
	good := workerPage(noon, 1)
	with := func(was, is string) string {
		if !strings.Contains(good, was) {
			t.Fatalf("the page has no %q", was)
		}
		return strings.Replace(good, was, is, 1)
	}
	for name, test := range map[string]struct {
		page, metric string
		outcome      Outcome
		says         string
	}{
		"empty":                {"", "", BadPage, "empty"},
		"blank":                {"\n \n", "", BadPage, "empty"},
		"cut off":              {strings.TrimRight(good, "\n"), "", BadPage, "cut off"},
		"cut off in a value":   {strings.TrimSuffix(good, "9455017009e+09\n"), "", BadPage, "cut off"},
		"not metrics":          {"<html>hello</html>\n", "", BadPage, "text format"},
		"garbage after":        {good + "\xff{{\n", "", BadPage, "text format"},
		"NUL ends the parser":  {"cube_time_seconds 5\n\x00\ncube_load1 2\n", "", BadPage, "NUL"},
		"someone else's":       {"up 1\n", "", BadPage, "no cube_time_seconds"},
		"ratio above 1":        {with("usage_ratio 0.25", "usage_ratio 1.25"), "cube_cpu_usage_ratio", ImpossibleValue, "is 1.25, more than 1"},
		"percent":              {with("usage_ratio 0.25", "usage_ratio 25"), "cube_cpu_usage_ratio", ImpossibleValue, "more than 1"},
		"negative CPU":         {with("usage_ratio 0.25", "usage_ratio -0.1"), "cube_cpu_usage_ratio", ImpossibleValue, "is -0.1"},
		"NaN":                  {with("cube_load1 1.93", "cube_load1 NaN"), "cube_load1", ImpossibleValue, "is NaN"},
		"infinite":             {with("cube_load1 1.93", "cube_load1 +Inf"), "cube_load1", ImpossibleValue, "is +Inf"},
		"no memory at all":     {with("memory_total_bytes 1.6e+10", "memory_total_bytes 0"), "cube_memory_total_bytes", ImpossibleValue, "is 0"},
		"available over total": {with("memory_available_bytes 1.2e+10", "memory_available_bytes 1.7e+10"), "cube_memory_available_bytes", ImpossibleValue, "more than cube_memory_total_bytes, 16000000000"},
		"disk over total":      {with("data_disk_available_bytes 7e+10", "data_disk_available_bytes 2e+11"), "cube_data_disk_available_bytes", ImpossibleValue, "more than cube_data_disk_total_bytes"},
		"no window":            {with("window_seconds 15.003", "window_seconds 0"), "cube_cpu_usage_window_seconds", ImpossibleValue, "is 0"},
		"negative task memory": {with("5.24288e+06", "-1"), "cube_task_memory_bytes", ImpossibleValue, "is -1"},
		"twice":                {good + "cube_load1 2\n", "", BadPage, "cube_load1 is on the page twice"},
		"task twice":           {good + `cube_task_memory_bytes{task="` + taskID(0).String() + "\"} 2\n", "", BadPage, "twice for task " + taskID(0).String()},
		"task without ID":      {good + `cube_task_memory_bytes{name="a"} 2` + "\n", "", BadPage, "not a UUID"},
		"label twice":          {good + `cube_task_memory_bytes{task="a",task="b"} 2` + "\n", "", BadPage, "label twice"},
		"old sample":           {with("cube_load1 1.93", "cube_load1 1.93 1700000000000"), "", BadPage, "its age is not known"},
	} {
		got, failure := readPage(t, CubeWorker(), test.page, "/", 0, fresh())
		if failure == nil {
			t.Errorf("%s: was read", name)
			continue
		}
		if failure.Outcome != test.outcome || failure.Metric != test.metric || !strings.Contains(failure.Reason, test.says) {
			t.Errorf("%s: got %s, metric %q, %q; want %s, %q, a reason with %q",
				name, failure.Outcome, failure.Metric, failure.Reason, test.outcome, test.metric, test.says)
		}
		if diff := cmp.Diff(absentReading("w1"), got, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: the failed reading knows something (-want +got):\n%s", name, diff)
		}
	}
}

func TestTooManySamples(t *testing.T) {
	source, err := compile(CubeWorker())
	if err != nil {
		t.Fatal(err)
	}
	for samples, want := range map[int]Outcome{10: Success, 9: TooLarge} {
		var p page
		p.begin(source, "/")
		failure := p.read([]byte("cube_time_seconds 5\n"+strings.Repeat("other 1\n", 9)), samples)
		if got := failure; (got == nil) != (want == Success) || got != nil && got.Outcome != want {
			t.Errorf("at most %d samples: got %v; want %s", samples, got, want)
		}
	}
}

// A clock that was set back costs one reading, not all until it has caught up.
func TestClockRunsBackwardsOnce(t *testing.T) {
	m := fresh()
	for i, step := range []struct {
		clock  string
		refuse bool
	}{{"1000", false}, {"1005", false}, {"400", true}, {"405", false}, {"405", false}} {
		_, failure := readPage(t, CubeWorker(), "cube_time_seconds "+step.clock+"\n", "/", scheduler.Instant(i), m)
		if (failure != nil) != step.refuse {
			t.Fatalf("clock %s: got %v; want refused: %v", step.clock, failure, step.refuse)
		}
		if failure != nil && (failure.Metric != "cube_time_seconds" || failure.Reason != "cube_time_seconds ran backwards by 605.000 s") {
			t.Errorf("got metric %q and %q", failure.Metric, failure.Reason)
		}
	}
}

func TestScanAgreesWithTheParser(t *testing.T) {
	names := []string{"task", "mode"}
	for _, test := range []struct {
		braces string
		plain  bool
		values [2]string
	}{
		{``, true, [2]string{}},
		{`{}`, true, [2]string{}},
		{`{task="a"}`, true, [2]string{"a", ""}},
		{`{task="a",}`, true, [2]string{"a", ""}},
		{`{x="task=\"",mode="m"}`, false, [2]string{}},
		{`{x="{},=",mode="m",task=""}`, true, [2]string{"", "m"}},
		{`{ task="a"}`, false, [2]string{}},
		{`{"task"="a"}`, false, [2]string{}},
		{`{task="a",task="b"}`, false, [2]string{}},
	} {
		values := make([][]byte, 2)
		ok := scan([]byte(test.braces), names, values)
		if ok != test.plain {
			t.Errorf("%s: plain is %v; want %v", test.braces, ok, test.plain)
		}
		if ok && (string(values[0]) != test.values[0] || string(values[1]) != test.values[1]) {
			t.Errorf("%s: got %q; want %q", test.braces, values, test.values)
		}
	}
}

func TestMountThatHoldsTheDataRoot(t *testing.T) {
	page := "node_time_seconds 1\n" +
		"node_filesystem_size_bytes{mountpoint=\"/\"} 10\nnode_filesystem_avail_bytes{mountpoint=\"/\"} 1\n" +
		"node_filesystem_size_bytes{mountpoint=\"/var/lib\"} 20\nnode_filesystem_avail_bytes{mountpoint=\"/var/lib\"} 2\n" +
		"node_filesystem_size_bytes{mountpoint=\"/var/lib/cube\"} 30\nnode_filesystem_avail_bytes{mountpoint=\"/var/lib/cube\"} 3\n" +
		"node_filesystem_size_bytes{mountpoint=\"/half\"} 40\n"
	for root, want := range map[string]float64{
		"/": 10, "/home": 10, "/var/lib": 20, "/var/lib/": 20, "/var/lib/cubes": 20,
		"/var/lib/cube": 30, "/var/lib/cube/tasks": 30, "/half/a": math.NaN(),
	} {
		got, failure := readPage(t, NodeExporter(), page, root, 0, fresh())
		if failure != nil {
			t.Fatal(failure)
		}
		if diff := cmp.Diff([]float64{want, want / 10}, []float64{got.DiskTotal, got.DiskAvailable}, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", root, diff)
		}
	}
}
