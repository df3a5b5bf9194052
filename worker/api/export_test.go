package api

// Routes returns the method and path of every route, "GET /tasks".
func Routes() []string {
	var routes []string
	for _, r := range (&handler{}).routes() {
		routes = append(routes, r.method+" "+r.path)
	}
	return routes
}
