package docker

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/uuid"

	"cube/worker"
	"cube/worker/task"
)

func TestLabelsNameTheRun(t *testing.T) {
	r := &Runtime{cfg: Config{Owner: "me"}}
	for _, key := range []worker.Key{
		{Task: uuid.New(), Allocation: 1},
		{Task: uuid.New(), Allocation: 1<<64 - 1, Restart: 17},
	} {
		if got, err := keyOf(r.labels(key, "web")); err != nil || got != key {
			t.Errorf("labels of %v read back as %v, %v", key, got, err)
		}
	}
	good := r.labels(worker.Key{Task: uuid.New()}, "")
	for _, label := range []string{labelTask, labelAllocation, labelRestart} {
		bad := map[string]string{labelTask: good[labelTask], labelAllocation: "1", labelRestart: "0"}
		bad[label] = "x"
		if key, err := keyOf(bad); err == nil {
			t.Errorf("a bad %s was read as %v", label, key)
		}
	}
}

// After a reboot the engine writes an exit code and the present time for what
// was running: neither was seen by anyone.
func TestNoExitCodeIsInvented(t *testing.T) {
	const (
		booted  = "2026-03-01T12:00:00Z"
		earlier = "2026-03-01T11:00:00.123456789Z"
		just    = "2026-03-01T11:59:00Z"
		later   = "2026-03-01T12:00:20Z"
	)
	at, err := time.Parse(time.RFC3339, booted)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name              string
		made              string // the boot by its label
		started, finished string
		code              int
		now               boot
		known             bool
	}{
		{"this boot", "b", "2026-03-01T12:00:01Z", later, 255, boot{"b", at}, true},
		{"this boot, and the clock was set forward since it started", "b", earlier, later, 0, boot{"b", at}, true},
		{"an earlier boot, ended in it", "a", earlier, just, 3, boot{"b", at}, true},
		{"an earlier boot, running at its end", "a", earlier, later, 255, boot{"b", at}, false},
		{"an earlier boot, and an engine that invents 0", "a", earlier, later, 0, boot{"b", at}, false},
		{"an earlier boot, and the clock had to be set when the machine came up", "a", later, "2026-03-01T11:30:00Z", 255, boot{"b", at}, false},
		{"an earlier boot, and when this one began is not known", "a", earlier, later, 0, boot{"b", time.Time{}}, false},

		{"no label, ended in this boot", "", "2026-03-01T12:00:01Z", later, 255, boot{"b", at}, true},
		{"no label, ended before the machine went down", "", earlier, just, 255, boot{"b", at}, true},
		{"no label, ran when the machine went down", "", earlier, later, 255, boot{"b", at}, false},
		{"an engine elsewhere", "a", earlier, later, 255, boot{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			exit := exitOf(container.InspectResponse{
				ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{
					Status: "exited", ExitCode: test.code, StartedAt: test.started, FinishedAt: test.finished,
				}},
				Config: &container.Config{Labels: map[string]string{labelBoot: test.made}},
			}, test.now)
			if (exit.Code != nil) != test.known || (exit.Error == "") != test.known {
				t.Errorf("it ended as %+v; want the code known: %v", exit, test.known)
			}
			if test.known && *exit.Code != test.code {
				t.Errorf("code %d; want the engine's", *exit.Code)
			}
		})
	}
}

func TestLimitsAsTheEngineKnowsThem(t *testing.T) {
	r := &Runtime{cfg: Config{CgroupParent: "/cube"}}
	r.info.NCPU = 4
	for _, test := range []struct {
		cpu    float64
		nano   int64
		shares int64
	}{
		{0, 0, 102}, // no limit; the default promise is the weight
		{0.25, 250_000_000, 256},
		{0.001, 10_000_000, 2},
		{1.0 / 3, 333_333_333, 341},
		{4, 4_000_000_000, 4096},
		{6, 4_000_000_000, 6144}, // no more than there are
		{1000, 4_000_000_000, 262144},
	} {
		got := r.hostConfig(&task.Task{Cpu: test.cpu, Memory: 64 << 20})
		if got.NanoCPUs != test.nano || got.CPUShares != test.shares {
			t.Errorf("%v cores: %d nano-CPUs, %d shares; want %d, %d", test.cpu, got.NanoCPUs, got.CPUShares, test.nano, test.shares)
		}
		if got.Memory != 64<<20 || got.MemorySwap != 64<<20 {
			t.Errorf("memory %d, with swap %d; want 64 MiB for both", got.Memory, got.MemorySwap)
		}
		if got.CgroupParent != "/cube" {
			t.Errorf("the cgroup's parent is %q", got.CgroupParent)
		}
	}
}

func TestCgroupParentFitsTheDriver(t *testing.T) {
	for _, test := range []struct {
		parent, driver string
		good           bool
	}{
		{"", "systemd", true},
		{"", "cgroupfs", true},
		{"/cube", "cgroupfs", true},
		{"cube.slice", "systemd", true},
		{"/cube", "systemd", false},
	} {
		if err := checkParent(test.parent, test.driver); (err == nil) != test.good {
			t.Errorf("%q under %s: %v; want it taken: %v", test.parent, test.driver, err, test.good)
		}
	}
}
