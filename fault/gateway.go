package fault

// Codes of faults in the gateway room; see each entry.
const (
	GatewayBadRequest       Code = "gateway-bad-request"
	GatewayMethodRefused    Code = "gateway-method-refused"
	GatewayNoRoute          Code = "gateway-no-route"
	GatewayMethodNotAllowed Code = "gateway-method-not-allowed"
	GatewayNoInstance       Code = "gateway-no-instance"
	GatewayTimeout          Code = "gateway-timeout"
	GatewayUpstreamFailed   Code = "gateway-upstream-failed"
	GatewayHeadersTooLarge  Code = "gateway-headers-too-large"
	GatewayURLTooLong       Code = "gateway-url-too-long"
	GatewayBodyTooLarge     Code = "gateway-body-too-large"
	GatewayBodyTooSlow      Code = "gateway-body-too-slow"
	GatewayBodyBroken       Code = "gateway-body-broken"
	GatewayClientGone       Code = "gateway-client-gone"
	GatewayExternalURL      Code = "gateway-external-url"
	GatewayUnknownService   Code = "gateway-unknown-service"
	GatewayBreakerOpen      Code = "gateway-breaker-open"
	GatewayBulkheadFull     Code = "gateway-bulkhead-full"
	GatewayOverloaded       Code = "gateway-overloaded"
	GatewayRateLimited      Code = "gateway-rate-limited"
	GatewayNotCached        Code = "gateway-not-cached"
	GatewayNoCache          Code = "gateway-no-cache"
	GatewayBadURL           Code = "gateway-bad-url"
	GatewayNotKept          Code = "gateway-not-kept"
)

func gatewayEntries() []Entry {
	return []Entry{
		{GatewayBadRequest, "The gateway refuses a request of this shape",
			"The path holds dot segments, control characters or a form that programs read in different ways, or the request is not for this kind of server. Such requests are how routes and checks are got round, so none is passed on.",
			"Send the path without . and .. segments, with spaces and control characters left out or percent-encoded where they belong to the query."},
		{GatewayMethodRefused, "The gateway passes on no CONNECT and no TRACE",
			"CONNECT would make of the gateway an open proxy, and TRACE shows headers that a browser hides.",
			"Use another method; for a two-way stream use a WebSocket."},
		{GatewayNoRoute, "No route for this host and path",
			"No route of the gateway has this host and a prefix of this path.",
			"Look at the routes with `plat plan`; add one under gateways: in plat.yaml."},
		{GatewayMethodNotAllowed, "The route does not take this method",
			"Routes with this host and path are there, and all of them name their methods; this one is not among them. The Allow header lists those that are.",
			"Use a method of the Allow header, or add this one to the route's methods."},
		{GatewayNoInstance, "No instance of the service is in rotation",
			"The service has no instance that is ready: it starts, fails its check, is scaled to nothing or has crashed; or, where it is external, nobody has registered under its name.",
			"Look at `plat ps SERVICE` and `plat logs SERVICE`. The request can be repeated after the time in Retry-After."},
		{GatewayTimeout, "The service did not answer in time",
			"No answer began within the time-out of the route or of the declared call, or the caller's own time was over.",
			"Look at the service's log under the correlation ID. If the work really takes longer, raise timeout: on the route or under consumes:."},
		{GatewayUpstreamFailed, "The service could not be reached or broke off",
			"The connection was refused or broke before an answer began, or the answer was not HTTP. What may safely be repeated was tried on other instances before.",
			"Look at `plat ps` and the service's log under the correlation ID. A request that changes something may have had its effect: ask before repeating it."},
		{GatewayHeadersTooLarge, "The request's header is too large",
			"The request line and header fields together are over the limit (64 KiB and 256 fields unless set otherwise; a route may take less).",
			"Send fewer or smaller cookies and header fields, or raise headers of the route in the plan."},
		{GatewayURLTooLong, "The request's URL is too long",
			"The path and the query together are over the limit of the route (url), or over what the gateway takes at all.",
			"Send what is long in the body of a POST or QUERY, or raise url of the route in the plan."},
		{GatewayBodyTooLarge, "The request's body is too large",
			"The body is over the limit (100 MiB unless set otherwise). The service has seen at most its beginning.",
			"Send less, or in parts."},
		{GatewayBodyTooSlow, "The request's body arrives too slowly",
			"The body stalled or came at less than the least rate, so that the connection was given back to others.",
			"Repeat the request over a better line."},
		{GatewayBodyBroken, "The request's body broke off",
			"The body could not be read to its end: the client went away or framed it wrongly.",
			"Repeat the request."},
		{GatewayClientGone, "The client went away before the answer",
			"Only seen in the access log: the client closed its connection while the service was still at work, or while the answer was on its way.",
			"Look whether clients give up sooner than the service needs."},
		{GatewayExternalURL, "The external service's URL cannot be called",
			"The URL under external: is not an absolute http or https URL, or holds a password, a query or a fragment.",
			"Write it as https://host/path; give credentials to the calling service as its configuration."},
		{GatewayUnknownService, "Nobody of this name can be reached by the mesh",
			"A request to PLAT_MESH names whom it is for by its host, NAME.internal: a service or external of the plan, or a program that has registered itself. Nobody has this name. The mesh is no proxy to other hosts.",
			"plat ps lists the names. Send Host: NAME.internal, or set the mesh as the HTTP proxy and ask for http://NAME.internal/."},
		{GatewayBreakerOpen, "The call was not made, since most of the last ones failed",
			"The circuit breaker of this dependency is open: most of the calls to it failed or were not answered in time. It lets a few through after the time in Retry-After, and all when these go well.",
			"Look at the service that is called: `plat ps`, `plat logs SERVICE --errors`. `plat describe` of the caller shows the breaker, and since when."},
		{GatewayNotCached, "The gateway's cache has no answer to give",
			"The request wants an answer from the cache alone (only-if-cached), or the route hides its service (hide-origin) and the answer is only now being fetched.",
			"Repeat the request after the time in Retry-After. `plat cache why URL` tells what is kept and why."},
		{GatewayNoCache, "The gateway has no cache",
			"A cache keeps nothing until it is switched on for a gateway.",
			"Add cache: {memory: 64MiB} to the gateway in plat.yaml; `plat cache` lists those that have one."},
		{GatewayBadURL, "This is no URL that a gateway answers",
			"The cache is asked by the whole URL that a client uses, with its host and port, without dot segments.",
			"Write it as http://127.0.0.1:8080/api/albums, as `plat ps` prints the gateway's address."},
		{GatewayBulkheadFull, "The call was not made, since too many are under way",
			"As many calls of this caller to this service are under way as the bulkhead allows, and none of them ended while this one waited. The limit is the declared one, or below it while the service is slower than usual.",
			"Look why the service is slow: `plat top`, `plat trace`. Where more at once are meant, raise concurrent: under consumes.services."},
		{GatewayNotKept, "The call could not be kept behind those that wait",
			"By on-failure: queue, calls to this service wait to be done later, and none overtakes them. This one cannot wait: the queue is full, its body is too large, it bears credentials, or the disk did not take it. The detail says which.",
			"Try again after Retry-After. `plat queue` shows what waits and why; calls, size, body and credentials are declared under queue: of the call."},
		{GatewayOverloaded, "The service has more to do than it can",
			"As many requests are with the service as it can work on, and this one would have waited too long for its turn, or others matter more. It was turned away at once, before it cost anything, so that the rest is answered. The limit is the declared one, or below it while the service is slower than usual.",
			"Try again after Retry-After. `plat describe SERVICE` shows how many are let in and who was turned away; more instances let in more, as does concurrent: under limits."},
		{GatewayRateLimited, "The caller asks more often than it may",
			"A route's rate bounds each client, a service's limits.rate each calling service. Others are not affected.",
			"Ask again after Retry-After. RateLimit-Policy says what is allowed. Where more is meant, raise limit or burst in the plan."},
	}
}
