package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

// usage is a mistake on the command line: exit 2.
func usage(cmd *cobra.Command, what string) *fault.Fault {
	return fault.New(fault.BadArgument, what).Fix(cmd.CommandPath() + " --help")
}

// args checks the number of arguments, as cobra does, in plat's words.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if slices.Contains(given, "") {
			return usage(cmd, "an argument of "+cmd.CommandPath()+" is empty").Fix("a variable of your shell may have no value: " + cmd.CommandPath() + " --help")
		}
		if len(given) >= least && (most < 0 || len(given) <= most) {
			return nil
		}
		if cmd.HasSubCommands() && len(given) > 0 {
			return unknownVerb(cmd, given[0])
		}
		number := "none"
		if len(given) > 0 {
			number = fmt.Sprintf("%d (%s)", len(given), strings.Join(given, " "))
		}
		f := usage(cmd, fmt.Sprintf("%s takes %s, not %s", cmd.CommandPath(), what, number))
		if first, _, _ := strings.Cut(cmd.Example, "\n"); first != "" {
			f.Fix("for example: " + strings.TrimSpace(first))
		}
		return f
	}
}

// unknownVerb names the subcommand that may have been meant.
func unknownVerb(cmd *cobra.Command, name string) error {
	f := fault.Newf(fault.BadArgument, "unknown command %q of %s", name, cmd.CommandPath()).
		Fix(cmd.CommandPath() + " --help lists the commands")
	var all []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c.Name())
		}
	}
	near := plan.Nearest(name, all)
	if meant, ok := habits()[name]; ok && !cmd.HasParent() {
		near = meant
	}
	if near != "" {
		f.Fix("did you mean " + cmd.CommandPath() + " " + near + "?")
	}
	return f
}

// habits are verbs of other tools, and what they are called here.
func habits() map[string]string {
	return map[string]string{
		"start": "up", "run": "up", "dev": "up", "apply": "up", "stop": "down", "delete": "down",
		"status": "ps", "list": "ps", "ls": "ps", "log": "logs", "tail": "logs", "members": "get instances",
		"validate": "check", "lint": "check", "create": "new", "adopt": "init", "curl": "call",
		"emit": "publish", "dashboard": "console", "ui": "console", "inspect": "describe", "show": "describe",
	}
}

// unwritable tells that a file cannot be written, and why the system refuses.
func unwritable(path string, err error) error {
	why := err
	var pe *fs.PathError
	if errors.As(err, &pe) {
		why = pe.Err
	}
	return fault.New(fault.FileUnwritable, path+" cannot be written").Why(why.Error()).Because(err)
}

// flagMistake words what pflag says about a flag.
func flagMistake(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		value   *pflag.InvalidValueError
		lacks   *pflag.ValueRequiredError
	)
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		name := unknown.GetSpecifiedName()
		f := usage(cmd, "unknown flag: --"+name)
		var all []string
		cmd.Flags().VisitAll(func(flag *pflag.Flag) { // those of the verb and, parsed, those of all
			if !flag.Hidden {
				all = append(all, flag.Name)
			}
		})
		if near := plan.Nearest(name, all); near != "" {
			f.Fix("did you mean --" + near + "?")
		}
		return f
	case errors.As(err, &unknown):
		flags := unknown.GetSpecifiedShortnames()
		return usage(cmd, "unknown flag: -"+flags)
	case errors.As(err, &lacks):
		return usage(cmd, fmt.Sprintf("--%s wants a value: %s", lacks.GetFlag().Name, kindOf(lacks.GetFlag())))
	case errors.As(err, &value):
		return usage(cmd, fmt.Sprintf("--%s %s is not %s", value.GetFlag().Name, value.GetValue(), kindOf(value.GetFlag())))
	}
	return usage(cmd, err.Error())
}

// kindOf is what a flag takes, in words.
func kindOf(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "duration":
		return "a duration with its unit, as 5s, 10m or 2d"
	case "int":
		return "a number"
	case "bool":
		return "true or false"
	}
	return flag.Usage
}

// ownCommand finds a command of plat in a text for people.
var ownCommand = regexp.MustCompile(`\bplat (up|down|wait|ps|probe|get|describe|plan|logs|events|mail|why|console|check|restart|scale|call|publish|api|doctor|init|new service)\b`)

// here repeats the -C of this command line in the commands that a text names,
// so that they can be copied.
func (a *app) here(text string) string {
	if a.dir == "." || strings.Contains(text, " -C ") {
		return text
	}
	return ownCommand.ReplaceAllString(text, "plat"+strings.ReplaceAll(a.inDir(), "$", "$$")+" $1")
}
