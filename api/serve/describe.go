package serve

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/plat-dev/plat/kit/direct"
)

// describeStreams adds to the OpenAPI document what is served beside huma.
func describeStreams(doc *huma.OpenAPI) {
	name := &huma.Param{Name: "name", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}
	answer := func(text, kind string) map[string]*huma.Response {
		r := &huma.Response{Description: text}
		if kind != "" {
			r.Content = map[string]*huma.MediaType{kind: {}}
		}
		return map[string]*huma.Response{"200": r}
	}
	doc.AddOperation(&huma.Operation{
		OperationID: "follow-changes", Method: http.MethodGet, Path: "/v1/changes",
		Summary: "Server-sent events, each a Change: what to ask anew", Responses: answer("until the caller goes away", "text/event-stream"),
	})
	doc.AddOperation(&huma.Operation{
		OperationID: "publish-event", Method: http.MethodPost, Path: "/v1/events",
		Summary:     "Publish a CloudEvent (HTTP binding: binary, structured or batched) in the name of the service that provides its type",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/cloudevents+json": {}, "application/json": {}}},
		Responses:   answer("stored", "application/json"),
	})
	text := func(name string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Schema: &huma.Schema{Type: "string"}}
	}
	doc.AddOperation(&huma.Operation{
		OperationID: "watch-calls", Method: http.MethodGet, Path: direct.Path,
		Summary:    "Whom the service of the token may call, and how: as soon as its revision is another, or after wait milliseconds",
		Parameters: []*huma.Param{text("instance"), text("revision"), text("wait")}, Responses: answer("the view", "application/json"),
	})
	doc.AddOperation(&huma.Operation{
		OperationID: "tell-calls", Method: http.MethodPost, Path: direct.Path,
		Summary:     "Calls that an instance of the service of the token made past plat's listeners",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {}}}, Responses: map[string]*huma.Response{"204": {Description: "taken"}},
	})
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		doc.AddOperation(&huma.Operation{
			OperationID: "call-service-" + method, Method: method, Path: "/v1/services/{name}/http/{path}",
			Summary:    "Call a service in plat's name; Plat-Authorization becomes its Authorization",
			Parameters: []*huma.Param{name, {Name: "path", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}},
			Responses:  answer("what the service answers", ""),
		})
	}
}
