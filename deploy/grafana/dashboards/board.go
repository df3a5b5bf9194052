package dashboards

import (
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Where the dashboards link to each other.
const (
	fleetUID, nodeUID, schedulerUID = "cube-fleet", "cube-node", "cube-scheduler"

	// tag is on all of them: their links to each other go by it.
	tag = "cube"
)

// The links of a node's name to its dashboard: from a table's cell, and from a
// series of a graph.
const (
	nodeURL       = "/d/" + nodeUID + "?var-datasource=${datasource}&var-node="
	linkFromCell  = nodeURL + "${__value.raw}&${__url_time_range}"
	linkFromGraph = nodeURL + "${__field.labels.node}&${__url_time_range}"
)

// board is a dashboard with what all of them share: the choice of a data source,
// links to its siblings that keep the time range, and marks where an alert fired.
func board(uid, title, description string) *builder {
	return newBuilder(title).
		Uid(uid).Description(description).Tags([]string{tag}).
		Timezone(common.TimeZoneBrowser).
		Refresh("30s").Time("now-1h", "now").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").
			Label("Data source").Type("prometheus")).
		Link(dashboard.NewDashboardLinkBuilder("Cube").
			Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).
			KeepTime(true).IncludeVars(true))
}

// mark draws a mark at each time that expr has a value.
func mark(name, expr, color, title, tags string) *dashboard.AnnotationQueryBuilder {
	return dashboard.NewAnnotationQueryBuilder().
		Name(name).Datasource(source()).Enable(true).
		IconColor(color).Expr(expr).TitleFormat(title).TagKeys(tags).Step("30s")
}

// nodeVariable is the choice of one node, those that are down included.
func nodeVariable() *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder("node").
		Label("Node").Datasource(source()).
		Query(dashboard.StringOrMap{String: ptr(`label_values(up{job="cube-worker"}, node)`)}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortNaturalAsc)
}

func row(title string) *dashboard.RowBuilder { return dashboard.NewRowBuilder(title) }

// link is a data link of a panel's values.
func link(title, url string) *dashboard.DashboardLinkBuilder {
	return dashboard.NewDashboardLinkBuilder(title).Type(dashboard.DashboardLinkTypeLink).Url(url)
}
