package ads

// Route is an endpoint, for the switch and for metrics.
type Route uint8

// The routes.
const (
	RouteOther Route = iota
	RouteFeed
	RouteBid
	RouteImpression
	RouteView
	RouteClick
	RouteBill
	RouteWin
	RouteLoss
	RouteEvents
	RouteUsers
	RouteHealth
	RouteRelay
	routeCount
)

var routeNames = [routeCount]string{"other", "feed", "bid", "impression", "view", "click", "bill", "win", "loss", "events", "users", "health", "relay"}

func (r Route) String() string { return routeNames[r] }

const (
	trackPrefix = "/t/"
	userPrefix  = "/v1/users/"
)

// routeOf finds the endpoint of a path.
func routeOf(path []byte) Route {
	switch string(path) {
	case "/v1/ads":
		return RouteFeed
	case "/openrtb2/bid":
		return RouteBid
	case "/v1/events":
		return RouteEvents
	case "/v1/users":
		return RouteUsers
	case "/v1/healthz":
		return RouteHealth
	case relayPath:
		return RouteRelay
	}
	if len(path) > 5 && string(path[:3]) == trackPrefix && path[4] == '/' {
		switch path[3] {
		case 'i':
			return RouteImpression
		case 'v':
			return RouteView
		case 'c':
			return RouteClick
		case 'b':
			return RouteBill
		case 'w':
			return RouteWin
		case 'l':
			return RouteLoss
		}
	}
	if len(path) > len(userPrefix) && string(path[:len(userPrefix)]) == userPrefix {
		return RouteUsers
	}
	return RouteOther
}
