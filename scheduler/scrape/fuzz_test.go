package scrape

import (
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"cube/scheduler"
)

// judge reads the same figures by means of expfmt, the format's other parser.
type judge struct {
	numbers map[Figure][]float64
	tasks   map[uuid.UUID]map[Figure]float64
}

// judged returns nil where expfmt does not accept the page.
func judged(text string, s Source) *judge {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		return nil
	}
	j := &judge{map[Figure][]float64{}, map[uuid.UUID]map[Figure]float64{}}
	for _, in := range s.Inputs {
		family := families[in.Metric]
		if family == nil {
			continue
		}
		for _, m := range family.GetMetric() {
			value, simple := simpleValue(family.GetType(), m)
			if !simple {
				return nil // wanted metrics are no histograms; what they would be is not the question
			}
			switch in.Key {
			case "":
				j.numbers[in.Figure] = append(j.numbers[in.Figure], value)
			case "task":
				id, err := uuid.Parse(label(m, "task"))
				if err != nil {
					return nil
				}
				if j.tasks[id] == nil {
					j.tasks[id] = map[Figure]float64{}
				}
				j.tasks[id][in.Figure] = value
			}
		}
	}
	return j
}

func simpleValue(kind dto.MetricType, m *dto.Metric) (value float64, ok bool) {
	switch kind {
	case dto.MetricType_GAUGE:
		return m.GetGauge().GetValue(), true
	case dto.MetricType_COUNTER:
		return m.GetCounter().GetValue(), true
	case dto.MetricType_UNTYPED:
		return m.GetUntyped().GetValue(), true
	default:
		return 0, false
	}
}

func label(m *dto.Metric, name string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// What both parsers accept, both read the same; nothing makes ours fail but by
// saying so, and what it accepts can be.
func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		workerPage(noon, 0), workerPage(noon, 2), "", "\n", "cube_time_seconds 5\n", "cube_time_seconds 5",
		"{\"cube_time_seconds\"} 5\n", "cube_time_seconds{a=\"b\\\"\"} 0x1p-2\n", "cube_time_seconds 1_0\n",
		"cube_time_seconds\t5 \n#\n# HELP a \\n\n", "cube_time_seconds 5\n\x00\ncube_load1 1\n",
		"# TYPE cube_time_seconds histogram\ncube_time_seconds 1\n", "cube_time_seconds 1e400\n",
		"cube_time_seconds 1\ncube_task_memory_bytes{task=\"" + taskID(1).String() + "\",\"é\"=\"x\"} 7 \n",
		"cube_time_seconds 1\ncube_task_memory_bytes{task=\"{" + taskID(1).String() + "}\"} 7\n",
	} {
		f.Add(seed)
	}
	if page, err := os.ReadFile("testdata/node_exporter.prom"); err == nil {
		f.Add(string(page[:4096]))
	}
	source, err := compile(CubeWorker())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p page
		p.begin(source, "/")
		if failure := p.read([]byte(text), DefaultMaxSamples); failure != nil {
			return
		}
		for figure, v := range p.numbers {
			if v < 0 || math.IsInf(v, 0) {
				t.Errorf("figure %d was read as %v", figure, v)
			}
		}
		j := judged(text, source.Source)
		if j == nil {
			return
		}
		compare(t, &p, j)
	})
}

func compare(t *testing.T, p *page, j *judge) {
	t.Helper()
	for figure := range numbers {
		got, want := p.numbers[figure], j.numbers[figure]
		switch {
		case len(want) == 0 && scheduler.Known(got), len(want) > 1, len(want) == 1 && got != want[0]:
			t.Errorf("figure %d was read as %v, by the judge as %v", figure, got, want)
		}
	}
	if len(p.tasks) != len(j.tasks) {
		t.Fatalf("%d tasks were read, by the judge %d", len(p.tasks), len(j.tasks))
	}
	for _, task := range p.tasks {
		for figure, got := range map[Figure]float64{
			TaskCpuSeconds: task.CpuSeconds, TaskMemory: task.MemoryBytes, TaskStartTime: task.StartTime,
		} {
			want, known := j.tasks[task.ID][figure]
			if known != scheduler.Known(got) || known && got != want {
				t.Errorf("figure %d of task %s was read as %v, by the judge as %v", figure, task.ID, got, want)
			}
		}
	}
}
