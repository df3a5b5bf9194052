package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// scheduler answers: are tasks placed promptly, if not, why, and on what
// knowledge?
func scheduler() *builder {
	b := board(schedulerUID, "Cube / Scheduler", "Are tasks placed promptly? If not, why? On how fresh a knowledge?").
		Annotation(mark("Manager started", `changes(process_start_time_seconds{job="cube-manager"}[1m]) > 0`,
			"blue", "Manager started", "instance"))
	schedulerNow(b)
	schedulerPlacing(b)
	schedulerReading(b)
	schedulerHandingOver(b)
	schedulerManager(b)
	return b
}

func schedulerNow(b *builder) {
	b.WithRow(row("Now")).
		WithPanel(figure("Manager", "Whether Prometheus can read it.", units.NoUnit).
			Span(sixth).GraphMode(common.BigValueGraphModeNone).
			ColorMode(common.BigValueColorModeBackground).
			Mappings([]dashboard.ValueMapping{words(upOrDown)}).
			WithTarget(now(`min(up{job="cube-manager"})`, ""))).
		WithPanel(figure("Tasks pending", "Accepted and on no node yet.", units.Short).
			Span(sixth).Thresholds(steps(from(1, yellow), from(100, red))).
			WithTarget(query(`sum(cube_manager_tasks{state="pending"})`, ""))).
		WithPanel(figure("Placed", "Decisions that found a node, a second.", units.OpsPerSecond).
			Span(sixth).Decimals(2).
			WithTarget(query(`sum(rate(cube_placements_total{result="placed"}[$__rate_interval])) or vector(0)`, ""))).
		WithPanel(figure("Decisions without a node", "Share of decisions that found no node which fits. A task that fits nowhere is decided on again every few seconds.", units.PercentUnit).
			Span(sixth).Decimals(0).Thresholds(steps(from(0.5, yellow))).NoValue("no decisions").
			WithTarget(query(`(sum(rate(cube_placements_total{result="refused"}[$__rate_interval])) or vector(0)) / (sum(rate(cube_placements_total[$__rate_interval])) > 0)`, ""))).
		WithPanel(figure("Oldest reading", "Of a node that is not down. From 15 s on it is stale.", units.Seconds).
			Span(sixth).Decimals(0).Thresholds(steps(from(15, yellow), from(45, red))).NoValue("no node").
			WithTarget(query(`max(cube_manager_reading_age_seconds < 60)`, ""))).
		WithPanel(figure("Unreachable dispatches", "Tasks handed to a worker that gave no answer, within the range shown.", units.Short).
			Span(sixth).Decimals(0).GraphMode(common.BigValueGraphModeNone).Thresholds(steps(from(1, yellow))).
			WithTarget(now(`sum(increase(cube_dispatches_total{result="unreachable"}[$__range]))`, "")))
}

func schedulerPlacing(b *builder) {
	b.WithRow(row("From submission to a node")).
		WithPanel(stacked("Tasks by state", "As the manager has them, ended ones left out.", units.Short).
			Span(third).
			WithTarget(query(`sum by (state) (cube_manager_tasks{state=~"pending|scheduled|running"})`, "{{state}}")).
			OverrideByName("pending", fixed(yellow)).
			OverrideByName("scheduled", fixed("blue")).
			OverrideByName("running", fixed(green))).
		WithPanel(graph("Decisions", "By policy and result. Refused: no node fitted; `cube explain ID` says why, node by node.", units.OpsPerSecond).
			Span(third).
			WithTarget(query(`sum by (policy, result) (rate(cube_placements_total[$__rate_interval]))`, "{{policy}}, {{result}}"))).
		WithPanel(quantiles("Time to decide", "How long a decision about one task takes, over all nodes. Grows with the fleet.", "cube_placement_duration_seconds").
			Span(third)).
		WithPanel(waits()).
		WithPanel(quantiles("Time pending", "From submission (or the loss of its node) to a task's placement.", "cube_pending_seconds"))
}

// waits is how long tasks were pending, by the time at which they were placed.
func waits() *heatmap.PanelBuilder {
	return heatmap.NewPanelBuilder().
		Title("Tasks by time pending").
		Description("Each cell counts the tasks placed then after so long a wait. A bright band that rises: the fleet fills up.").
		Datasource(source()).Span(half).Height(graphHeight).
		Calculate(false).
		YAxis(heatmap.NewYAxisConfigBuilder().Unit(units.Seconds)).
		Color(heatmap.NewHeatmapColorOptionsBuilder().
			Mode(heatmap.HeatmapColorModeScheme).Scheme("Oranges").Scale(heatmap.HeatmapColorScaleExponential).
			Exponent(0.5).Steps(64)).
		FilterValues(heatmap.NewFilterValueRangeBuilder().Le(1e-9)).
		WithTarget(query(`sum by (le) (increase(cube_pending_seconds_bucket[$__rate_interval]))`, "{{le}}").
			Format(prometheus.PromQueryFormatHeatmap))
}

// quantiles shows a histogram: what most tasks see, what the unlucky see, and the
// mean, which needs no buckets.
func quantiles(title, description, histogram string) *graphBuilder {
	quantile := func(q string) string {
		return `histogram_quantile(` + q + `, sum by (le) (rate(` + histogram + `_bucket[$__rate_interval])))`
	}
	return graph(title, description, units.Seconds).
		WithTarget(query(quantile("0.99"), "99th percentile")).
		WithTarget(query(quantile("0.5"), "median")).
		WithTarget(query(`sum(rate(`+histogram+`_sum[$__rate_interval])) / sum(rate(`+histogram+`_count[$__rate_interval]))`, "mean"))
}

func schedulerReading(b *builder) {
	b.WithRow(row("What the decisions know")).
		WithPanel(graph("Age of readings", "How old what the manager knows of its nodes is. Dashed: stale from 15 s on, down from 60 s on.", units.Seconds).
			Span(third).
			Thresholds(steps(from(15, yellow), from(60, red))).ThresholdsStyle(lines()).
			WithTarget(query(`max(cube_manager_reading_age_seconds)`, "oldest")).
			WithTarget(query(`quantile(0.9, cube_manager_reading_age_seconds)`, "90th percentile")).
			WithTarget(query(`quantile(0.5, cube_manager_reading_age_seconds)`, "median"))).
		WithPanel(stacked("Scrapes by result", "Anything but success leaves the node's reading as it was.", units.OpsPerSecond).
			Span(third).
			WithTarget(query(`sum by (result) (rate(cube_scrapes_total[$__rate_interval]))`, "{{result}}")).
			OverrideByName("success", fixed(green))).
		WithPanel(quantiles("Time of a scrape", "Whatever came of it.", "cube_scrape_duration_seconds").
			Span(third)).
		WithPanel(columns(rows("Oldest readings", "The ten nodes that the manager knows least of. Click a name for its dashboard.").Span(half).Height(graphHeight).SortBy(most("reading age")),
			[]string{"node"},
			column{name: "reading age", unit: units.Seconds, more: coloured(15, 60),
				expr: `topk(10, max by (node) (cube_manager_reading_age_seconds))`},
		).OverrideByName("node", linked("Open the node", linkFromCell))).
		WithPanel(graph("Is the load spread?", "Standard deviation over the nodes: of what is measured, and of what is promised. The measured one rising alone: requests say little about use.", units.PercentUnit).
			WithTarget(query(`stddev(cube_cpu_usage_ratio)`, "CPU used")).
			WithTarget(query(`stddev(cube_memory_used_bytes / cube_memory_total_bytes)`, "memory used")).
			WithTarget(query(`stddev(cube_allocated_memory_bytes / cube_allocatable_memory_bytes)`, "memory promised")))
}

func schedulerHandingOver(b *builder) {
	b.WithRow(row("Handing over, and keeping on disk")).
		WithPanel(graph("Dispatches", "By the worker's answer. Refused: the worker had less room than its reading said; the task goes to the next best.", units.OpsPerSecond).
			Span(third).
			WithTarget(query(`sum by (result) (rate(cube_dispatches_total[$__rate_interval]))`, "{{result}}"))).
		WithPanel(graph("Operations waiting", "Starts and stops that wait for their turn with a worker, and tasks on workers that this manager did not start.", units.Short).
			Span(third).
			WithTarget(query(`sum(cube_manager_dispatch_queue_length)`, "waiting operations")).
			WithTarget(query(`sum(cube_manager_foreign_tasks)`, "foreign tasks"))).
		WithPanel(quantiles("Time of a transaction", "Until it is on disk. Everything that is accepted waits for one.", "cube_store_commit_duration_seconds").
			Span(third))
}

func schedulerManager(b *builder) {
	b.WithRow(row("The manager itself")).
		WithPanel(graph("CPU", "Empty with --web.disable-exporter-metrics, like its neighbours.", cores).
			Span(third).
			WithTarget(query(`sum by (instance) (rate(process_cpu_seconds_total{job="cube-manager"}[$__rate_interval]))`, "{{instance}}"))).
		WithPanel(graph("Memory", "Resident, of the manager's process.", units.BytesIEC).
			Span(third).
			WithTarget(query(`sum by (instance) (process_resident_memory_bytes{job="cube-manager"})`, "{{instance}}"))).
		WithPanel(graph("Open files", "One connection a worker is kept open. At the limit, scrapes fail.", units.Short).
			Span(third).
			WithTarget(query(`sum by (instance) (process_open_fds{job="cube-manager"})`, "{{instance}}")).
			WithTarget(query(`max(process_max_fds{job="cube-manager"})`, "limit")).
			OverrideByName("limit", dashed(red)))
}
