package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// Widths of panels on Grafana's grid of 24, and heights in its units.
const (
	full, half, third, quarter, sixth = 24, 12, 8, 6, 4

	statHeight, graphHeight, tableHeight = 4, 8, 9
)

// Colours of thresholds and of lines that mean the same everywhere.
const (
	green, yellow, orange, red = "green", "#EAB839", "orange", "red"
	grey                       = "#808080"
)

// cores is the unit of CPU time a second.
const cores = "suffix: cores"

// Short names of the SDK's types.
type (
	graphBuilder  = timeseries.PanelBuilder
	tableBuilder  = table.PanelBuilder
	dashboardLink = cog.Builder[dashboard.DashboardLink]
)

func ptr[T any](v T) *T { return &v }

// source is the data source that the viewer has chosen.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr("${datasource}")}
}

// graph is values over time, with a legend that can be read without hovering.
func graph(title, description, unit string) *timeseries.PanelBuilder {
	return timeseries.NewPanelBuilder().
		Title(title).Description(description).Datasource(source()).
		Unit(unit).AxisSoftMin(0).
		Span(half).Height(graphHeight).
		LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
		Tooltip(common.NewVizTooltipOptionsBuilder().
			Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).
			ShowLegend(true).Calcs([]string{"lastNotNull", "max"}))
}

// stacked is a graph whose series add up to something.
func stacked(title, description, unit string) *timeseries.PanelBuilder {
	return graph(title, description, unit).
		FillOpacity(40).LineWidth(0).
		Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
}

// figure is one number as it is now, coloured by its thresholds.
func figure(title, description, unit string) *stat.PanelBuilder {
	return stat.NewPanelBuilder().
		Title(title).Description(description).Datasource(source()).
		Unit(unit).
		Span(quarter).Height(statHeight).
		ColorMode(common.BigValueColorModeValue).GraphMode(common.BigValueGraphModeArea).
		Orientation(common.VizOrientationAuto).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(steps())
}

// bars is the present values of a few things beside each other.
func bars(title, description, unit string) *bargauge.PanelBuilder {
	return bargauge.NewPanelBuilder().
		Title(title).Description(description).Datasource(source()).
		Unit(unit).Min(0).
		Span(half).Height(graphHeight).
		Orientation(common.VizOrientationHorizontal).
		DisplayMode(common.BarGaugeDisplayModeBasic).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(steps())
}

// states is what something was, over time: a band of colour a series.
func states(title, description string, words ...dashboard.ValueMapping) *statetimeline.PanelBuilder {
	return statetimeline.NewPanelBuilder().
		Title(title).Description(description).Datasource(source()).
		Span(half).Height(graphHeight).
		ShowValue(common.VisibilityModeNever).RowHeight(0.8).
		Mappings(words)
}

// rows is a table of the present; its columns are set up by columns.
func rows(title, description string) *table.PanelBuilder {
	return table.NewPanelBuilder().
		Title(title).Description(description).Datasource(source()).
		Span(full).Height(tableHeight).
		Filterable(true).
		// No sums below, but pages where a fleet is large. (The SDK's strict
		// decoder wants the reducers all the same.)
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{}).EnablePagination(true)).
		Thresholds(steps())
}

// most sorts a table by a column, the largest first.
func most(name string) []cog.Builder[common.TableSortByFieldState] {
	return []cog.Builder[common.TableSortByFieldState]{
		common.NewTableSortByFieldStateBuilder().DisplayName(name).Desc(true),
	}
}

// steps are thresholds: green up to the first.
func steps(from ...dashboard.Threshold) *dashboard.ThresholdsConfigBuilder {
	return dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).
		Steps(append([]dashboard.Threshold{{Color: green}}, from...))
}

func from(value float64, color string) dashboard.Threshold {
	return dashboard.Threshold{Value: &value, Color: color}
}

// lines draws the thresholds into a graph.
func lines() *common.GraphThresholdsStyleConfigBuilder {
	return common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed)
}

// words maps numbers to a word and a colour.
func words(results map[string]dashboard.ValueMappingResult) dashboard.ValueMapping {
	return dashboard.ValueMapping{ValueMap: &dashboard.ValueMap{
		Type: dashboard.MappingTypeValueToText, Options: results,
	}}
}

func word(text, color string) dashboard.ValueMappingResult {
	return dashboard.ValueMappingResult{Text: &text, Color: &color}
}

// query asks for values over time. The legend may name labels: {{node}}.
func query(expr, legend string) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().
		Datasource(source()).Expr(expr).LegendFormat(legend).
		EditorMode(prometheus.QueryEditorModeCode).Range()
}

// now asks for the present value alone.
func now(expr, legend string) *prometheus.DataqueryBuilder {
	return query(expr, legend).Instant()
}

// property is one setting of a column or a series.
func property(id string, value any) dashboard.DynamicConfigValue {
	return dashboard.DynamicConfigValue{Id: id, Value: value}
}

// dashed marks a series as a bound rather than a measurement.
func dashed(color string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		property("color", map[string]any{"mode": "fixed", "fixedColor": color}),
		property("custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{10, 10}}),
		property("custom.fillOpacity", 0),
		property("custom.stacking", map[string]any{"mode": "none", "group": "A"}),
		property("custom.lineWidth", 2),
	}
}

// fixed gives a series a colour of its own.
func fixed(color string) []dashboard.DynamicConfigValue {
	return []dashboard.DynamicConfigValue{
		property("color", map[string]any{"mode": "fixed", "fixedColor": color}),
	}
}
