package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// node answers of one machine: is it well, what uses it up, and will that last?
func node() *builder {
	b := board(nodeUID, "Cube / Node", "Is this node well, what uses it up, and will that last?").
		WithVariable(nodeVariable()).
		Annotation(mark("Alerts", `ALERTS{alertname=~"Cube.+", alertstate="firing", node="$node"}`,
			red, "{{alertname}}", "severity")).
		Annotation(mark("Worker started", `changes(process_start_time_seconds{job="cube-worker", node="$node"}[1m]) > 0`,
			"blue", "Worker started", "instance"))
	nodeNow(b)
	nodeTasks(b)
	nodeCPU(b)
	nodeMemory(b)
	nodeDisk(b)
	nodeExporter(b)
	return b
}

func nodeNow(b *builder) {
	b.WithRow(row("Now")).
		WithPanel(figure("Worker", "Whether Prometheus can read it.", units.NoUnit).
			Span(3).GraphMode(common.BigValueGraphModeNone).
			ColorMode(common.BigValueColorModeBackground).
			Mappings([]dashboard.ValueMapping{words(upOrDown)}).
			WithTarget(now(`max(up{job="cube-worker", node="$node"})`, ""))).
		WithPanel(figure("CPU used", "Busy share of all CPUs.", units.PercentUnit).
			Span(3).Decimals(0).Min(0).Max(1).Thresholds(steps(from(0.8, yellow), from(0.95, red))).
			WithTarget(query(`max(cube_cpu_usage_ratio{node="$node"})`, ""))).
		WithPanel(figure("Memory available", "What could still be used without swapping.", units.BytesIEC).
			Span(3).
			WithTarget(query(`max(cube_memory_available_bytes{node="$node"})`, ""))).
		WithPanel(figure("Memory promised", "Of the memory that tasks may ask for.", units.PercentUnit).
			Span(3).Decimals(0).Thresholds(steps(from(0.9, yellow), from(1, red))).
			WithTarget(query(`max(cube_allocated_memory_bytes{node="$node"} / cube_allocatable_memory_bytes{node="$node"})`, ""))).
		WithPanel(figure("Fullest disk", "The fullest of its file systems, as df has it.", units.PercentUnit).
			Span(3).Decimals(0).Thresholds(steps(from(0.8, yellow), from(0.95, red))).
			WithTarget(query(`max(cube_disk_used_bytes{node="$node"} / (cube_disk_used_bytes{node="$node"} + cube_disk_available_bytes{node="$node"}))`, ""))).
		WithPanel(figure("Tasks running", "As the worker counts them.", units.Short).
			Span(3).
			WithTarget(query(`sum(cube_tasks{node="$node", state="running"})`, ""))).
		WithPanel(figure("Reading age", "How old the manager's last reading of this node is. From 15 s on it takes tasks only where no other node fits, from 60 s on it counts as down.", units.Seconds).
			Span(3).Decimals(0).Thresholds(steps(from(15, yellow), from(60, red))).
			WithTarget(query(`max(cube_manager_reading_age_seconds{node="$node"})`, ""))).
		WithPanel(figure("Version, runtime", "Of the worker that answers now, and what its tasks are.", units.NoUnit).
			Span(3).GraphMode(common.BigValueGraphModeNone).TextMode(common.BigValueTextModeName).
			WithTarget(now(`max by (version, runtime) (cube_node_info{node="$node"})`, "{{version}} {{runtime}}")))
}

func nodeTasks(b *builder) {
	b.WithRow(row("Tasks")).
		WithPanel(columns(rows("Running tasks", "What runs here now, most memory first. A task that restarts again and again is never old.").
			Span(16).SortBy(most("memory")),
			[]string{"name", "task"},
			column{name: "CPU", unit: cores, more: []dashboard.DynamicConfigValue{property("decimals", 2)},
				expr: byTaskAndName(`rate(cube_task_cpu_seconds_total{node="$node"}[$__rate_interval])`)},
			column{name: "memory", unit: units.BytesIEC, expr: byTaskAndName(`cube_task_memory_bytes{node="$node"}`)},
			column{name: "runs for", unit: units.Seconds, expr: byTaskAndName(`time() - cube_task_start_time_seconds{node="$node"}`)},
		)).
		WithPanel(stacked("Tasks by state", "Scheduled for long: they do not come up. The table beside it has only those that run.", units.Short).
			Span(third).Height(tableHeight).
			WithTarget(query(`sum by (state) (cube_tasks{node="$node", state=~"scheduled|running"})`, "{{state}}")).
			OverrideByName("scheduled", fixed(yellow)).
			OverrideByName("running", fixed(green)))
}

func nodeCPU(b *builder) {
	b.WithRow(row("CPU")).
		WithPanel(stacked("CPU by mode", "Where the time of all CPUs goes; what is missing to 100 % is idle. Much iowait: tasks wait for the disk. Steal: the hypervisor gives the time to others.", units.PercentUnit).
			Span(third).Max(1).
			WithTarget(query(`sum by (mode) (rate(cube_cpu_seconds_total{node="$node", mode!~"idle|guest.*"}[$__rate_interval]))
  / scalar(sum(rate(cube_cpu_seconds_total{node="$node", mode!~"guest.*"}[$__rate_interval])))`, "{{mode}}"))).
		WithPanel(stacked("CPU by task", "What each running task uses, against what all CPUs can give.", cores).
			Span(third).
			WithTarget(query(byTask(`rate(cube_task_cpu_seconds_total{node="$node"}[$__rate_interval])`), taskLegend)).
			WithTarget(query(`max(cube_cpu_cores{node="$node"})`, "all CPUs")).
			OverrideByName("all CPUs", dashed(red))).
		WithPanel(graph("Asked for and used", "CPU requests are a preference within a bound: they may exceed the cores there are, up to the bound.", cores).
			Span(third).
			WithTarget(query(`max(cube_cpu_usage_ratio{node="$node"} * cube_cpu_cores{node="$node"})`, "used")).
			WithTarget(query(`max(cube_allocated_cpu_cores{node="$node"})`, "asked for")).
			WithTarget(query(`max(cube_allocatable_cpu_cores{node="$node"})`, "allocatable")).
			WithTarget(query(`max(cube_allocatable_cpu_cores{node="$node"} * cube_overcommit_cpu_ratio{node="$node"})`, "bound of requests")).
			OverrideByName("allocatable", dashed(grey)).
			OverrideByName("bound of requests", dashed(red))).
		WithPanel(graph("Load", "Runnable and uninterruptible threads, averaged over 1, 5 and 15 minutes, against the number of CPUs.", units.Short).
			WithTarget(query(`max(cube_load1{node="$node"})`, "1 min")).
			WithTarget(query(`max(cube_load5{node="$node"})`, "5 min")).
			WithTarget(query(`max(cube_load15{node="$node"})`, "15 min")).
			WithTarget(query(`max(cube_procs_running{node="$node"})`, "runnable now")).
			WithTarget(query(`max(cube_cpu_cores{node="$node"})`, "CPUs")).
			OverrideByName("CPUs", dashed(grey))).
		WithPanel(graph("Pressure", "Share of time in which some, or all, work stood still for want of a resource. CPU pressure without a busy CPU is a task at its own limit. Empty where the kernel has no pressure figures (psi=1).", units.PercentUnit).
			WithTarget(query(`max by (resource) (rate(cube_pressure_some_seconds_total{node="$node"}[$__rate_interval]))`, "{{resource}}, some")).
			WithTarget(query(`max by (resource) (rate(cube_pressure_full_seconds_total{node="$node"}[$__rate_interval]))`, "{{resource}}, all")))
}

func nodeMemory(b *builder) {
	b.WithRow(row("Memory")).
		WithPanel(stacked("Memory", "Who has it: the tasks, everything else, and what is available.", units.BytesIEC).
			Span(third).
			WithTarget(query(`sum(cube_task_memory_bytes{node="$node"}) or vector(0)`, "tasks")).
			WithTarget(query(`clamp_min(max(cube_memory_used_bytes{node="$node"}) - (sum(cube_task_memory_bytes{node="$node"}) or vector(0)), 0)`, "everything else")).
			WithTarget(query(`max(cube_memory_available_bytes{node="$node"})`, "available")).
			OverrideByName("tasks", fixed("blue")).
			OverrideByName("everything else", fixed(grey)).
			OverrideByName("available", fixed(green))).
		WithPanel(stacked("Memory by task", "A line that only climbs is a leak; it ends at the task's limit.", units.BytesIEC).
			Span(third).
			WithTarget(query(byTask(`cube_task_memory_bytes{node="$node"}`), taskLegend))).
		WithPanel(graph("Can the promises be kept?", "What tasks may still claim of their requests must be available. Where it is not, something besides the tasks eats it.", units.BytesIEC).
			Span(third).
			WithTarget(query(`clamp_min(max(cube_allocated_memory_bytes{node="$node"}) - (sum(cube_task_memory_bytes{node="$node"}) or vector(0)), 0)`, "still to be claimed")).
			WithTarget(query(`max(cube_memory_available_bytes{node="$node"})`, "available")).
			WithTarget(query(`max(cube_allocated_memory_bytes{node="$node"})`, "promised")).
			WithTarget(query(`max(cube_allocatable_memory_bytes{node="$node"})`, "allocatable")).
			OverrideByName("available", fixed(green)).
			OverrideByName("allocatable", dashed(grey)))
}

func nodeDisk(b *builder) {
	const month = 30 * 24 * 3600
	far := dashboard.ValueMapping{RangeMap: &dashboard.RangeMap{
		Type: dashboard.MappingTypeRangeToText,
		Options: dashboard.DashboardRangeMapOptions{
			From: ptr(float64(month)), Result: dashboard.ValueMappingResult{Text: ptr("over a month"), Color: ptr(green)},
		},
	}}
	answers := words(map[string]dashboard.ValueMappingResult{"0": word("answers", green), "1": word("stuck", red)})
	b.WithRow(row("Disk")).
		WithPanel(columns(rows("File systems", "Used is as df has it. Full in: at the pace of the last 6 hours.").Span(14).SortBy(most("used")),
			[]string{"mountpoint", "device", "fstype"},
			column{name: "size", unit: units.BytesIEC, expr: byMount(`cube_disk_total_bytes{node="$node"}`)},
			column{name: "available", unit: units.BytesIEC, expr: byMount(`cube_disk_available_bytes{node="$node"}`)},
			column{name: "used", unit: units.PercentUnit, more: gauge(0.8, 0.95),
				expr: byMount(`cube_disk_used_bytes{node="$node"} / (cube_disk_used_bytes{node="$node"} + cube_disk_available_bytes{node="$node"})`)},
			column{name: "inodes used", unit: units.PercentUnit, more: gauge(0.8, 0.95),
				expr: byMount(`1 - cube_disk_inodes_free{node="$node"} / (cube_disk_inodes{node="$node"} > 0)`)},
			column{name: "full in", unit: units.Seconds,
				more: append(worded(far), property("thresholds", map[string]any{"mode": "absolute", "steps": []map[string]any{
					{"value": nil, "color": red}, {"value": 4 * 3600, "color": yellow}, {"value": 7 * 24 * 3600, "color": green},
				}})),
				expr: byMount(`clamp_max(cube_disk_available_bytes{node="$node"} / clamp_min(-deriv(cube_disk_available_bytes{node="$node"}[6h]), 1), 2592000)`)},
			column{name: "state", more: worded(answers), expr: byMount(`cube_disk_device_error{node="$node"}`)},
		)).
		WithPanel(graph("Disk for tasks", "Of the file system with the tasks' data: what can still be written, what is promised to tasks, what may be promised. A reservation: nothing stops a task from writing more.", units.BytesIEC).
			Span(10).Height(tableHeight).
			WithTarget(query(`max(cube_data_disk_available_bytes{node="$node"})`, "available")).
			WithTarget(query(`max(cube_allocated_disk_bytes{node="$node"})`, "promised")).
			WithTarget(query(`max(cube_allocatable_disk_bytes{node="$node"})`, "allocatable")).
			OverrideByName("available", fixed(green)).
			OverrideByName("allocatable", dashed(grey))).
		WithPanel(graph("Available by file system", "What an ordinary user can still write. A steady slope is a leak.", units.BytesIEC).
			WithTarget(query(byMount(`cube_disk_available_bytes{node="$node"}`), "{{mountpoint}}"))).
		WithPanel(states("File systems that answer", "A stuck one does not tell its size, and tasks that touch it hang.", answers).
			WithTarget(query(byMount(`cube_disk_device_error{node="$node"}`), "{{mountpoint}}")))
}

func nodeExporter(b *builder) {
	b.WithRow(row("The measuring itself")).
		WithPanel(states("Collectors", "A collector that fails hides its own metrics and no one else's.",
			words(map[string]dashboard.ValueMappingResult{"1": word("worked", green), "0": word("failed", red)})).
			Span(third).
			WithTarget(query(`max by (collector) (cube_collector_success{node="$node"})`, "{{collector}}"))).
		WithPanel(graph("Time to read", "Of each collector, and of the whole scrape as Prometheus sees it.", units.Seconds).
			Span(third).
			WithTarget(query(`max by (collector) (cube_collector_duration_seconds{node="$node"})`, "{{collector}}")).
			WithTarget(query(`max(scrape_duration_seconds{job="cube-worker", node="$node"})`, "whole scrape"))).
		WithPanel(graph("Clock", "How far the node's clock is ahead of Prometheus', or behind it.", units.Seconds).
			Span(third).AxisSoftMin(-1).AxisSoftMax(1).
			WithTarget(query(`max(cube_time_seconds{node="$node"} - timestamp(cube_time_seconds{node="$node"}))`, "ahead"))).
		WithPanel(graph("The worker's own CPU", "Empty with --web.disable-exporter-metrics.", cores).
			WithTarget(query(`max(rate(process_cpu_seconds_total{job="cube-worker", node="$node"}[$__rate_interval]))`, "CPU"))).
		WithPanel(graph("The worker's own memory", "Empty with --web.disable-exporter-metrics.", units.BytesIEC).
			WithTarget(query(`max(process_resident_memory_bytes{job="cube-worker", node="$node"})`, "resident")))
}

// taskLegend names a task's series: by its name and the beginning of its ID, as
// the command line takes it.
const taskLegend = "{{name}} {{id}}"

func byTask(expr string) string {
	return `label_replace(` + byTaskAndName(expr) + `, "id", "$1", "task", "(.{8}).*")`
}

func byTaskAndName(expr string) string { return `sum by (task, name) (` + expr + `)` }

func byMount(expr string) string {
	return `max by (mountpoint, device, fstype) (` + expr + `)`
}
