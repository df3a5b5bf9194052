package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// family is a metric's place in the table, which is in the order of the names.
type family int

// The metrics, in the order of their names.
const (
	collectorDuration family = iota
	collectorSuccess
	cpuCores
	cpuSeconds
	cpuUsageRatio
	cpuUsageWindow
	dataDiskAvailable
	dataDiskTotal
	diskAvailable
	diskDeviceError
	diskFree
	diskInodes
	diskInodesFree
	diskTotal
	diskUsed
	load1
	load15
	load5
	memoryAvailable
	memoryTotal
	memoryUsed
	pressureFull
	pressureFullSeconds
	pressureSome
	pressureSomeSeconds
	procs
	procsRunning
	timeSeconds
	familyCount
)

// metric is what the page says of a family.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string // in alphabetical order
}

var (
	diskLabels     = []string{"device", "fstype", "mountpoint"}
	resourceLabels = []string{"resource"}
	sourceLabels   = []string{"collector"}
)

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

// metrics is the one table that both ways to the page are made from: Collect,
// for a registry, and Gather.
var metrics = [familyCount]metric{
	collectorDuration:   {"cube_collector_duration_seconds", "Seconds that reading the source took.", gauge, sourceLabels},
	collectorSuccess:    {"cube_collector_success", "1 where the source could be read, 0 where it could not and its metrics are missing.", gauge, sourceLabels},
	cpuCores:            {"cube_cpu_cores", "CPUs online, or fewer where Cube was given fewer or the scope's cgroup is bound to fewer.", gauge, nil},
	cpuSeconds:          {"cube_cpu_seconds_total", "Seconds the CPUs spent in each mode since boot, all CPUs summed; guest time is inside user and nice too.", counter, []string{"mode"}},
	cpuUsageRatio:       {"cube_cpu_usage_ratio", "Busy share of all CPUs, 0 to 1, over the last cube_cpu_usage_window_seconds.", gauge, nil},
	cpuUsageWindow:      {"cube_cpu_usage_window_seconds", "Seconds that cube_cpu_usage_ratio was measured over.", gauge, nil},
	dataDiskAvailable:   {"cube_data_disk_available_bytes", "Bytes that an ordinary user can still write to the file system that tasks' data is kept on.", gauge, nil},
	dataDiskTotal:       {"cube_data_disk_total_bytes", "Size of the file system that tasks' data is kept on, in bytes.", gauge, nil},
	diskAvailable:       {"cube_disk_available_bytes", "Bytes that an ordinary user can still write.", gauge, diskLabels},
	diskDeviceError:     {"cube_disk_device_error", "1 where the file system could not be read or does not answer, 0 where it could.", gauge, diskLabels},
	diskFree:            {"cube_disk_free_bytes", "Free bytes, root's reserve among them.", gauge, diskLabels},
	diskInodes:          {"cube_disk_inodes", "Inodes the file system has; not there where it makes them as needed.", gauge, diskLabels},
	diskInodesFree:      {"cube_disk_inodes_free", "Inodes that are free.", gauge, diskLabels},
	diskTotal:           {"cube_disk_total_bytes", "Size of the file system, in bytes.", gauge, diskLabels},
	diskUsed:            {"cube_disk_used_bytes", "Bytes in use: size less free.", gauge, diskLabels},
	load1:               {"cube_load1", "Load average over one minute: runnable and uninterruptible tasks.", gauge, nil},
	load15:              {"cube_load15", "Load average over fifteen minutes.", gauge, nil},
	load5:               {"cube_load5", "Load average over five minutes.", gauge, nil},
	memoryAvailable:     {"cube_memory_available_bytes", "Memory that can be had without swapping, in bytes, as the kernel estimates it (MemAvailable), and no more than the scope's cgroup leaves.", gauge, nil},
	memoryTotal:         {"cube_memory_total_bytes", "Usable memory of the machine, in bytes, or the limit of the scope's cgroup where that is less.", gauge, nil},
	memoryUsed:          {"cube_memory_used_bytes", "Memory in use, in bytes: total less available.", gauge, nil},
	pressureFull:        {"cube_pressure_full_ratio", "Share of the last 10 seconds, 0 to 1, in which all tasks waited for the resource at once.", gauge, resourceLabels},
	pressureFullSeconds: {"cube_pressure_full_seconds_total", "Seconds in which all tasks waited for the resource at once.", counter, resourceLabels},
	pressureSome:        {"cube_pressure_some_ratio", "Share of the last 10 seconds, 0 to 1, in which some task waited for the resource.", gauge, resourceLabels},
	pressureSomeSeconds: {"cube_pressure_some_seconds_total", "Seconds in which some task waited for the resource.", counter, resourceLabels},
	procs:               {"cube_procs", "Threads there are.", gauge, nil},
	procsRunning:        {"cube_procs_running", "Runnable threads.", gauge, nil},
	timeSeconds:         {"cube_time_seconds", "The machine's clock at the reading, in Unix seconds.", gauge, nil},
}

// newDescs makes the descriptors that a registry wants.
func newDescs() (descs [familyCount]*prometheus.Desc) {
	for f, m := range metrics {
		descs[f] = prometheus.NewDesc(m.name, m.help, m.labels, nil)
	}
	return descs
}

// labels are the label values of one series, in both forms that are asked for.
type labels struct {
	values []string
	pairs  []*dto.LabelPair
}

// newLabels makes the labels of a series of f.
func newLabels(f family, values ...string) *labels {
	l := &labels{values: values}
	for i, name := range metrics[f].labels {
		l.pairs = append(l.pairs, &dto.LabelPair{Name: &name, Value: &values[i]})
	}
	return l
}

// series is one line of the page.
type series struct {
	value  float64
	labels *labels // nil where the family has none
}

// page is the outcome of one reading: each family's series, in the order of
// their labels. It is filled by one goroutine.
type page struct {
	series [familyCount][]series
}

// set adds a line. What cannot be read is not set, and so absent.
func (p *page) set(f family, value float64, l *labels) {
	p.series[f] = append(p.series[f], series{value, l})
}

// clear takes the families' lines away.
func (p *page) clear(families []family) {
	for _, f := range families {
		p.series[f] = p.series[f][:0]
	}
}

// reset empties the page and keeps its memory.
func (p *page) reset() {
	for f := range p.series {
		p.series[f] = p.series[f][:0]
	}
}
