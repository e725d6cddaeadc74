package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// maxBody bounds what a verb sends.
const maxBody = 64 << 20

// request are the flags of a verb that sends one.
type request struct {
	header  []string
	data    string
	verbose bool
}

func (r *request) flags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&r.header, "header", "H", nil, `header field, as "Accept: text/html"`)
	cmd.Flags().StringVarP(&r.data, "data", "d", "", "body: the text itself, @FILE, or @- for standard input")
	cmd.Flags().BoolVarP(&r.verbose, "verbose", "v", false, "print the answer's status and header as well")
}

// parts reads the flags: the header, and the body; nil without one.
func (r *request) parts(cmd *cobra.Command) (http.Header, io.Reader, error) {
	header := http.Header{}
	for _, h := range r.header {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, nil, usage(cmd, fmt.Sprintf("-H %q is not NAME: VALUE", h))
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if !cmd.Flags().Changed("data") {
		return header, nil, nil
	}
	body, err := readData(cmd, r.data)
	if err != nil {
		return nil, nil, err
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	return header, bytes.NewReader(body), nil
}

// readData reads what -d names.
func readData(cmd *cobra.Command, data string) ([]byte, error) {
	file, ok := strings.CutPrefix(data, "@")
	if !ok {
		return []byte(data), nil
	}
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file) //nolint:gosec // the user named it
		if err != nil {
			var pe *fs.PathError
			if errors.As(err, &pe) {
				err = pe.Err
			}
			return nil, fault.New(fault.BadArgument, "the file "+file+" cannot be read").Why(err.Error()).Fix("-d @FILE reads a file, -d TEXT is the text itself")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxBody {
		return nil, fault.Newf(fault.BadArgument, "the body is over %d MiB", maxBody>>20)
	}
	return text, nil
}

func (a *app) call() *cobra.Command {
	var r request
	cmd := &cobra.Command{
		Use:   "call SERVICE METHOD PATH",
		Short: "Call a service through plat",
		Long: "Sends one HTTP request to an instance of the service that is in rotation, as\nplat's own call (Plat-Caller: plat), and prints the body of the answer. Exit code\n1 when the answer's status is 400 or above.\n" +
			"With -d the method may be POST, PUT, PATCH or DELETE; the content type is JSON\nunless -H says otherwise.",
		Example: "  plat call catalog GET /api/albums\n  plat call order GET /api/orders/42 -v\n  plat call customer POST /api/customers -d '{\"name\":\"Ada\"}'\n  plat call customer POST /api/customers -d @ada.json -H 'Authorization: Bearer …'",
		GroupID: "tools",
		Args:    args(3, 3, "a service, a method and a path"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
			switch len(given) {
			case 0:
				return a.serviceNames(cmd, given, start)
			case 1:
				return httpMethods(), noFiles
			case 2:
				return a.operations("/v1/services/"+given[0]+"/openapi", given[1])(cmd, nil, start)
			}
			return nil, noFiles
		},
	}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		header, body, err := r.parts(cmd)
		if err != nil {
			return err
		}
		service, method, path := given[0], strings.ToUpper(given[1]), given[2]
		if err := checkMethod(cmd, method); err != nil {
			return err
		}
		if !strings.HasPrefix(path, "/") {
			return usage(cmd, fmt.Sprintf("the path %q begins with a slash", path))
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		if _, err := a.known(cmd.Context(), client, given[:1]); err != nil {
			return err
		}
		if auth := header.Values("Authorization"); len(auth) > 0 {
			header["Plat-Authorization"] = auth // plat's own takes its place until it is there
		}
		return a.rawRequest(cmd, client, method, "/v1/services/"+service+"/http"+path, header, body, r.verbose)
	}
	return cmd
}

func (a *app) apiVerb() *cobra.Command {
	var r request
	cmd := &cobra.Command{
		Use:     "api METHOD PATH",
		Short:   "Ask the control API, with its token",
		Long:    "Sends one request to the running plat's control API with its token and prints\nthe body of the answer as it came. GET /v1/openapi.json describes what there is.\nExit code 1 when the answer's status is 400 or above.",
		Example: "  plat api GET /v1/services\n  plat api GET /v1/openapi.json | jq '.paths | keys'\n  plat api POST /v1/services/order/scale -d '{\"instances\": 2}'",
		GroupID: "tools",
		Args:    args(2, 2, "a method and a path"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
			switch len(given) {
			case 0:
				return httpMethods(), noFiles
			case 1:
				return a.operations("/v1/openapi.json", given[0])(cmd, nil, start)
			}
			return nil, noFiles
		},
	}
	r.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		header, body, err := r.parts(cmd)
		if err != nil {
			return err
		}
		method, path := strings.ToUpper(given[0]), given[1]
		if err := checkMethod(cmd, method); err != nil {
			return err
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		if !strings.HasPrefix(path, "/v1/") {
			return usage(cmd, fmt.Sprintf("the path %q begins with /v1/", path))
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		return a.rawRequest(cmd, client, method, path, header, body, r.verbose)
	}
	return cmd
}

// rawRequest prints an answer's body; a status of 400 or above is a no.
func (a *app) rawRequest(cmd *cobra.Command, client *api.Client, method, path string, header http.Header, body io.Reader, verbose bool) error {
	resp, err := client.Raw(cmd.Context(), method, path, header, body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if verbose {
		a.words("%s %s", resp.Proto, resp.Status)
		var fields []string
		for name, values := range resp.Header {
			fields = append(fields, name+": "+strings.Join(values, ", "))
		}
		slices.Sort(fields)
		a.words("%s\n", strings.Join(fields, "\n"))
	}
	last := &lastByte{w: a.Out}
	_, err = io.Copy(last, resp.Body)
	if last.b != '\n' && last.b != 0 && isTerminal(a.Out) {
		_, _ = fmt.Fprintln(a.Out) // so that what follows stands on a line of its own
	}
	if err != nil {
		return fault.New(fault.Unreachable, "the answer broke off").Why(err.Error()).Because(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		if !verbose {
			a.words("%s", answered(method, path, resp))
		}
		return errAnswered
	}
	return nil
}

// answered says who refused: a service that was called through plat, or plat.
func answered(method, path string, resp *http.Response) string {
	if rest, ok := strings.CutPrefix(path, "/v1/services/"); ok {
		if service, called, ok := strings.Cut(rest, "/http/"); ok {
			return fmt.Sprintf("%s answered %d to %s /%s", service, resp.StatusCode, method, called)
		}
	}
	return fmt.Sprintf("%s %s answered %s", method, path, resp.Status)
}

// lastByte remembers the last byte that was written.
type lastByte struct {
	w io.Writer
	b byte
}

// Write writes on.
func (l *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		l.b = p[len(p)-1]
	}
	return l.w.Write(p)
}

func (a *app) publish() *cobra.Command {
	var (
		data, key, id string
	)
	cmd := &cobra.Command{
		Use:     "publish EVENT -d DATA",
		Short:   "Publish an event by hand",
		Long:    "Publishes an event of this type in the name of the service that provides it, as\na CloudEvent, and returns when it is on disk. What it sets off is real.",
		Example: "  plat publish customer.registered -d @ada.json\n  plat publish stock.rejected -d '{\"order\":\"42\"}' --key 42\n  jq .data event.json | plat publish order.placed -d @-",
		GroupID: "tools",
		Args:    args(1, 1, "one event type"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(given) > 0 {
				return nil, noFiles
			}
			return a.live(eventTypes)(cmd, given, start)
		},
	}
	cmd.Flags().StringVarP(&data, "data", "d", "", "the event's data, JSON: the text itself, @FILE, or @- for standard input")
	cmd.Flags().StringVar(&key, "key", "", "what the event is about (the attribute subject)")
	cmd.Flags().StringVar(&id, "id", "", "ID of the event; one that was seen within two minutes is not stored again (default: a new one)")
	a.outputs(cmd, "table", "json", "yaml", "name")
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if !cmd.Flags().Changed("data") {
			return usage(cmd, "-d says what the event tells")
		}
		text, err := readData(cmd, data)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, new(any)); err != nil {
			return fault.New(fault.BadArgument, "the data is no JSON").Why(err.Error()).Fix("quote it for the shell: -d '{\"order\": \"42\"}'")
		}
		client, _, err := a.connect()
		if err != nil {
			return err
		}
		p, err := client.Publish(cmd.Context(), given[0], key, id, text)
		if fault.Is(err, fault.EventUndeclared) {
			return mistyped(cmd, client, given[0], err)
		}
		if err != nil {
			return err
		}
		return a.print(p, table{header: []string{"ID", "EVENT", "PROVIDER"}, rows: [][]string{{p.ID, p.Type, p.Provider}}})
	}
	return cmd
}

// mistyped adds to the refusal of an undeclared event the one that may have
// been meant.
func mistyped(cmd *cobra.Command, client *api.Client, event string, refused error) error {
	types, err := eventTypes(cmd, client)
	near := plan.Nearest(event, types)
	if err != nil || near == "" {
		return refused
	}
	f := *fault.All(refused)[0]
	return f.Fix("did you mean " + near + "?")
}

// checkMethod refuses what is no method that plat sends.
func checkMethod(cmd *cobra.Command, method string) error {
	if slices.Contains(httpMethods(), method) {
		return nil
	}
	f := usage(cmd, method+" is none of "+strings.Join(httpMethods(), ", "))
	if near := plan.Nearest(method, httpMethods()); near != "" {
		f.Fix("did you mean " + near + "?")
	}
	return f
}

func (a *app) console() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "console",
		Short:   "Print an address that opens the console once",
		Long:    "Prints the console's address with a key that is worth something once, within\ntwelve hours; the browser keeps a cookie instead.",
		Example: "  plat console\n  xdg-open $(plat console)",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		s, err := client.Session(cmd.Context())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.Out, openable(s.URL))
		return err
	})
	return cmd
}
