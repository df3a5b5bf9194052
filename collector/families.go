package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"cube/collector/families"
)

// family is a metric's place in the table, which is in the order of the names.
type family = int

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

var (
	diskLabels     = []string{"device", "fstype", "mountpoint"}
	resourceLabels = []string{"resource"}
	sourceLabels   = []string{"collector"}
	modeLabels     = []string{"mode"}
)

const (
	gauge   = families.Gauge
	counter = families.Counter
)

// metrics is the one table that both ways to the page are made from: Collect,
// for a registry, and Gather.
var metrics = [familyCount]families.Metric{
	collectorDuration:   metric("cube_collector_duration_seconds", "Seconds that reading the source took.", gauge, sourceLabels),
	collectorSuccess:    metric("cube_collector_success", "1 where the source could be read, 0 where it could not and its metrics are missing.", gauge, sourceLabels),
	cpuCores:            metric("cube_cpu_cores", "CPUs online, or fewer where Cube was given fewer or the scope's cgroup is bound to fewer.", gauge, nil),
	cpuSeconds:          metric("cube_cpu_seconds_total", "Seconds the CPUs spent in each mode since boot, all CPUs summed; guest time is inside user and nice too.", counter, modeLabels),
	cpuUsageRatio:       metric("cube_cpu_usage_ratio", "Busy share of all CPUs, 0 to 1, over the last cube_cpu_usage_window_seconds.", gauge, nil),
	cpuUsageWindow:      metric("cube_cpu_usage_window_seconds", "Seconds that cube_cpu_usage_ratio was measured over.", gauge, nil),
	dataDiskAvailable:   metric("cube_data_disk_available_bytes", "Bytes that an ordinary user can still write to the file system that tasks' data is kept on.", gauge, nil),
	dataDiskTotal:       metric("cube_data_disk_total_bytes", "Size of the file system that tasks' data is kept on, in bytes.", gauge, nil),
	diskAvailable:       metric("cube_disk_available_bytes", "Bytes that an ordinary user can still write.", gauge, diskLabels),
	diskDeviceError:     metric("cube_disk_device_error", "1 where the file system could not be read or does not answer, 0 where it could.", gauge, diskLabels),
	diskFree:            metric("cube_disk_free_bytes", "Free bytes, root's reserve among them.", gauge, diskLabels),
	diskInodes:          metric("cube_disk_inodes", "Inodes the file system has; not there where it makes them as needed.", gauge, diskLabels),
	diskInodesFree:      metric("cube_disk_inodes_free", "Inodes that are free.", gauge, diskLabels),
	diskTotal:           metric("cube_disk_total_bytes", "Size of the file system, in bytes.", gauge, diskLabels),
	diskUsed:            metric("cube_disk_used_bytes", "Bytes in use: size less free.", gauge, diskLabels),
	load1:               metric("cube_load1", "Load average over one minute: runnable and uninterruptible tasks.", gauge, nil),
	load15:              metric("cube_load15", "Load average over fifteen minutes.", gauge, nil),
	load5:               metric("cube_load5", "Load average over five minutes.", gauge, nil),
	memoryAvailable:     metric("cube_memory_available_bytes", "Memory that can be had without swapping, in bytes, as the kernel estimates it (MemAvailable), and no more than the scope's cgroup leaves.", gauge, nil),
	memoryTotal:         metric("cube_memory_total_bytes", "Usable memory of the machine, in bytes, or the limit of the scope's cgroup where that is less.", gauge, nil),
	memoryUsed:          metric("cube_memory_used_bytes", "Memory in use, in bytes: total less available.", gauge, nil),
	pressureFull:        metric("cube_pressure_full_ratio", "Share of the last 10 seconds, 0 to 1, in which all tasks waited for the resource at once.", gauge, resourceLabels),
	pressureFullSeconds: metric("cube_pressure_full_seconds_total", "Seconds in which all tasks waited for the resource at once.", counter, resourceLabels),
	pressureSome:        metric("cube_pressure_some_ratio", "Share of the last 10 seconds, 0 to 1, in which some task waited for the resource.", gauge, resourceLabels),
	pressureSomeSeconds: metric("cube_pressure_some_seconds_total", "Seconds in which some task waited for the resource.", counter, resourceLabels),
	procs:               metric("cube_procs", "Threads there are.", gauge, nil),
	procsRunning:        metric("cube_procs_running", "Runnable threads.", gauge, nil),
	timeSeconds:         metric("cube_time_seconds", "The machine's clock at the reading, in Unix seconds.", gauge, nil),
}

// metric makes a line of the table; labels are nil or one of the lists above.
func metric(name, help string, kind prometheus.ValueType, labels []string) families.Metric {
	return families.Metric{Name: name, Help: help, Kind: kind, Labels: labels}
}
