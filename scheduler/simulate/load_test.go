package simulate

import (
	"strings"
	"testing"
	"testing/fstest"
)

func files(change map[string]string) fstest.MapFS {
	slots := strings.Repeat(",1", Slots)
	all := map[string]string{
		"tasks.csv":       "task,source,cpu_req,mem_req_mb\n0,a,500,64\n1,b,1000,128\n",
		"nodes.csv":       "node,cpu_cap,mem_cap_mb,cpu_overcommit\n0,4000,1024,2\n",
		"cpu.csv":         "0" + slots + "\n1" + slots + "\n",
		"arrivals_03.csv": "task,arrive_s,depart_s\n1,0.5,100\n0,7.9,86400.0\n",
	}
	made := fstest.MapFS{}
	for name, text := range all {
		if changed, is := change[name]; is {
			text = changed
		}
		if text != "" {
			made[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return made
}

func TestLoadReadsATrace(t *testing.T) {
	trace, err := Load(files(nil), "some/where")
	if err != nil {
		t.Fatal(err)
	}
	if trace.Name != "where" || len(trace.Tasks) != 2 || len(trace.Machines) != 1 || len(trace.Schedules) != 1 {
		t.Fatalf("got %+v", trace)
	}
	if s := trace.Schedules[0]; s.Seed != 3 || s.Arrivals[1] != (Arrival{Task: 0, Arrive: seconds(7.9), Depart: Day}) {
		t.Errorf("got schedule %+v", s)
	}
	if got := trace.Tasks[1]; got.Cpu != 1000 || got.Memory != 128<<20 || got.memoryUse(7) != 128<<20 {
		t.Errorf("got task %+v", got)
	}
}

func TestLoadNamesTheFault(t *testing.T) {
	cases := []struct{ file, text, want string }{
		{"tasks.csv", "", "tasks.csv"},
		{"tasks.csv", "h,h,h,h\n1,a,5,6\n", "tasks.csv: line 2: is of task 1; want task 0"},
		{"tasks.csv", "h,h,h,h\n0,a,-5,6\n", `tasks.csv: line 2: field 3 is "-5"`},
		{"cpu.csv", "0,1,2\n", "cpu.csv: line 1: has 3 fields"},
		{"cpu.csv", "7" + strings.Repeat(",1", Slots) + "\n", "cpu.csv: line 1: is of task 7"},
		{"cpu.csv", "0" + strings.Repeat(",1", Slots) + "\n", "no line of task 1"},
		{"nodes.csv", "h,h,h,h\n0,0,1,1\n", "nodes.csv: line 2: the machine has no CPU"},
		{"arrivals_03.csv", "h,h,h\n0,9,10\n1,8,10\n", "line 3: arrives at 8s"},
		{"arrivals_03.csv", "h,h,h\n0,9,8\n", "line 2: departs at 8s"},
		{"arrivals_03.csv", "h,h,h\n5,9,10\n", `line 2: field 1 is "5"`},
		{"arrivals_03.csv", "", "has no arrivals_NN.csv"},
	}
	for _, c := range cases {
		if _, err := Load(files(map[string]string{c.file: c.text}), "x"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: got %v, want an error with %q", c.file, c.text, err, c.want)
		}
	}
}

func TestJobsAreSourcesWithoutTheDay(t *testing.T) {
	for _, c := range []struct {
		source, job string
		day         int
	}{
		{"vm12d3", "vm12", 3}, {"20110303/host_a", "host_a", 20110303}, {"plain", "plain", 0}, {"a/b", "a/b", 0}, {"vm1dx", "vm1dx", 0},
	} {
		if job, day := jobOf(c.source); job != c.job || day != c.day {
			t.Errorf("%q is day %d of %q, want day %d of %q", c.source, day, job, c.day, c.job)
		}
	}
}
