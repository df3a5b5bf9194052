package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// upOrDown is what the numbers of up mean.
var upOrDown = map[string]dashboard.ValueMappingResult{
	"1": {Text: ptr("up"), Color: ptr(green)},
	"0": {Text: ptr("down"), Color: ptr(red)},
}

// fleet answers: is anything wrong, where, and how much room is left?
func fleet() *builder {
	b := board(fleetUID, "Cube / Fleet", "Is anything wrong in the fleet, where, and how much room is left?").
		Annotation(mark("Critical alerts", `ALERTS{alertname=~"Cube.+", alertstate="firing", severity="critical"}`,
			red, "{{alertname}}", "node,severity"))
	fleetNow(b)
	fleetRoom(b)
	fleetNodes(b)
	fleetTasks(b)
	return b
}

func fleetNow(b *builder) {
	b.WithRow(row("Now")).
		WithPanel(figure("Nodes ready", "Nodes with a fresh reading, as the manager sees them.", units.Short).
			Span(sixth).GraphMode(common.BigValueGraphModeNone).
			WithTarget(now(`sum(cube_manager_nodes{state="ready"})`, ""))).
		WithPanel(figure("Nodes in trouble", "Nodes that are down, stale or were never read. They take tasks only where no other fits, or none at all.", units.Short).
			Span(sixth).Thresholds(steps(from(1, red))).
			WithTarget(query(`sum(cube_manager_nodes{state=~"down|stale|unknown"})`, ""))).
		WithPanel(figure("Tasks running", "As the workers count them.", units.Short).
			Span(sixth).
			WithTarget(query(`sum(cube_tasks{state="running"})`, ""))).
		WithPanel(figure("Tasks pending", "Accepted by the manager and on no node yet. The scheduler's dashboard shows why.", units.Short).
			Span(sixth).Thresholds(steps(from(1, yellow), from(100, red))).
			DataLinks([]dashboardLink{link("Open the scheduler", "/d/"+schedulerUID+"?var-datasource=${datasource}&${__url_time_range}")}).
			WithTarget(query(`sum(cube_manager_tasks{state="pending"})`, ""))).
		WithPanel(figure("Memory promised", "Share of the memory that tasks may ask for which they did ask for. At 100 % nothing more is placed, however idle the nodes.", units.PercentUnit).
			Span(sixth).Decimals(0).Thresholds(steps(from(0.8, yellow), from(0.9, red))).
			WithTarget(query(`sum(cube_allocated_memory_bytes) / sum(cube_allocatable_memory_bytes)`, ""))).
		WithPanel(figure("Fullest disk", "The fullest file system of any node.", units.PercentUnit).
			Span(sixth).Decimals(0).Thresholds(steps(from(0.8, yellow), from(0.95, red))).
			WithTarget(query(`max(cube_disk_used_bytes / (cube_disk_used_bytes + cube_disk_available_bytes))`, ""))).
		WithPanel(columns(rows("Alerts that fire", "Alerts of Cube's rules, where Prometheus has them loaded. Empty is good.").Height(6),
			[]string{"alertname", "severity", "node"},
			column{name: "firing", expr: `max by (alertname, severity, node) (ALERTS{alertname=~"Cube.+", alertstate="firing"})`,
				more: []dashboard.DynamicConfigValue{property("custom.hidden", true)}}).
			NoValue("none").
			OverrideByName("node", linked("Open the node", linkFromCell)).
			OverrideByName("severity", worded(dashboard.ValueMapping{ValueMap: &dashboard.ValueMap{
				Type:    dashboard.MappingTypeValueToText,
				Options: map[string]dashboard.ValueMappingResult{"critical": {Color: ptr(red)}, "warning": {Color: ptr(yellow)}},
			}})))
}

func fleetRoom(b *builder) {
	b.WithRow(row("Room: what is there, what is promised, what is used")).
		WithPanel(graph("CPU", "In use as measured, asked for by tasks, and the bound up to which they may ask (allocatable × overcommit). Asked far above used: requests are too large. Used above the allocatable: tasks wait.", cores).
			Span(third).
			WithTarget(query(`sum(cube_cpu_usage_ratio * cube_cpu_cores)`, "used")).
			WithTarget(query(`sum(cube_allocated_cpu_cores)`, "asked for")).
			WithTarget(query(`sum(cube_allocatable_cpu_cores)`, "allocatable")).
			WithTarget(query(`sum(cube_allocatable_cpu_cores * cube_overcommit_cpu_ratio)`, "bound of requests")).
			OverrideByName("allocatable", dashed(grey)).
			OverrideByName("bound of requests", dashed(red))).
		WithPanel(graph("Memory", "In use as measured, promised to tasks, and what may be promised. Memory is never overcommitted.", units.BytesIEC).
			Span(third).
			WithTarget(query(`sum(cube_memory_used_bytes)`, "used")).
			WithTarget(query(`sum(cube_allocated_memory_bytes)`, "promised")).
			WithTarget(query(`sum(cube_allocatable_memory_bytes)`, "allocatable")).
			OverrideByName("allocatable", dashed(red))).
		WithPanel(graph("Disk for tasks", "Of the file systems with the tasks' data: what can still be written, what is promised to tasks, what may be promised. A reservation: nothing stops a task from writing more.", units.BytesIEC).
			Span(third).
			WithTarget(query(`sum(cube_data_disk_available_bytes)`, "available")).
			WithTarget(query(`sum(cube_allocated_disk_bytes)`, "promised")).
			WithTarget(query(`sum(cube_allocatable_disk_bytes)`, "allocatable")).
			OverrideByName("allocatable", dashed(red)))
}

func fleetNodes(b *builder) {
	b.WithRow(row("Nodes")).
		WithPanel(stacked("Nodes by state", "As the manager sees them. Stale: the last reading is older than 15 s. Down: older than 60 s, its tasks are placed anew.", units.Short).
			Span(third).
			WithTarget(query(`sum by (state) (cube_manager_nodes)`, "{{state}}")).
			OverrideByName("ready", fixed(green)).
			OverrideByName("stale", fixed(yellow)).
			OverrideByName("down", fixed(red)).
			OverrideByName("draining", fixed("blue")).
			OverrideByName("unknown", fixed(grey))).
		WithPanel(spread(graph("CPU use across nodes", "Whether the load is spread: a wide gap between the busiest and the median means hot spots.", units.PercentUnit).
			Span(third).Max(1), "cube_cpu_usage_ratio")).
		WithPanel(spread(graph("Memory use across nodes", "The same for memory.", units.PercentUnit).
			Span(third).Max(1), "cube_memory_used_bytes / cube_memory_total_bytes")).
		WithPanel(nodeTable())
}

// spread adds how a share is spread over the nodes, which can be read for ten
// nodes and for ten thousand.
func spread(p *graphBuilder, expr string) *graphBuilder {
	return p.
		WithTarget(query(`max(`+expr+`)`, "highest")).
		WithTarget(query(`quantile(0.9, `+expr+`)`, "90th percentile")).
		WithTarget(query(`quantile(0.5, `+expr+`)`, "median")).
		WithTarget(query(`min(`+expr+`)`, "lowest"))
}

func nodeTable() *tableBuilder {
	return columns(rows("All nodes", "Busiest first. Click a name for the node's own dashboard; click a header to sort.").Height(12).SortBy(most("CPU used")),
		[]string{"node"},
		column{name: "state", expr: `max by (node) (up{job="cube-worker"})`, more: worded(words(upOrDown))},
		column{name: "CPU used", unit: units.PercentUnit, more: gauge(0.8, 0.95),
			expr: `max by (node) (cube_cpu_usage_ratio)`},
		column{name: "CPU asked for", unit: units.PercentUnit, more: gauge(0.8, 0.95),
			expr: `max by (node) (cube_allocated_cpu_cores / (cube_allocatable_cpu_cores * cube_overcommit_cpu_ratio))`},
		column{name: "memory used", unit: units.PercentUnit, more: gauge(0.8, 0.95),
			expr: `max by (node) (cube_memory_used_bytes / cube_memory_total_bytes)`},
		column{name: "memory promised", unit: units.PercentUnit, more: gauge(0.9, 1),
			expr: `max by (node) (cube_allocated_memory_bytes / cube_allocatable_memory_bytes)`},
		column{name: "fullest disk", unit: units.PercentUnit, more: gauge(0.8, 0.95),
			expr: `max by (node) (cube_disk_used_bytes / (cube_disk_used_bytes + cube_disk_available_bytes))`},
		column{name: "load a core", unit: units.Short, more: append(coloured(1, 2), property("decimals", 2)),
			expr: `max by (node) (cube_load5 / cube_cpu_cores)`},
		column{name: "tasks running", unit: units.Short,
			expr: `sum by (node) (cube_tasks{state="running"})`},
		column{name: "reading age", unit: units.Seconds, more: coloured(15, 60),
			expr: `max by (node) (cube_manager_reading_age_seconds)`},
	).OverrideByName("node", linked("Open the node", linkFromCell))
}

func fleetTasks(b *builder) {
	b.WithRow(row("Tasks")).
		WithPanel(stacked("Tasks on nodes by state", "As the workers count them. Many scheduled over a long time: they do not come up.", units.Short).
			Span(third).
			WithTarget(query(`sum by (state) (cube_tasks{state=~"scheduled|running"})`, "{{state}}"))).
		WithPanel(bars("Most CPU", "The ten tasks of the fleet that use the most CPU.", cores).
			Span(third).
			DataLinks([]dashboardLink{link("Open the node", linkFromGraph)}).
			WithTarget(now(`topk(10, sum by (name, node) (rate(cube_task_cpu_seconds_total[$__rate_interval])))`, "{{name}} on {{node}}"))).
		WithPanel(bars("Most memory", "The ten tasks of the fleet that use the most memory.", units.BytesIEC).
			Span(third).
			DataLinks([]dashboardLink{link("Open the node", linkFromGraph)}).
			WithTarget(now(`topk(10, sum by (name, node) (cube_task_memory_bytes))`, "{{name}} on {{node}}")))
}
