package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// Model is a dashboard in the classic schema, which every Grafana reads. The SDK
// prefers version 2, which older ones do not know.
type Model = dashboard.Dashboard //nolint:staticcheck // deprecated for a schema that older Grafanas do not know

type builder = dashboard.DashboardBuilder //nolint:staticcheck // see Model

func newBuilder(title string) *builder {
	return dashboard.NewDashboardBuilder(title) //nolint:staticcheck // see Model
}
