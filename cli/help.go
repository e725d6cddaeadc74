package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// help is cobra's own verb, but a verb that there is not is a mistake.
func (a *app) help() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Long:    "Prints the help of a command, the same as its flag --help.",
		Example: "  plat help up\n  plat help plan add",
		GroupID: "tools",
		ValidArgsFunction: func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			at, _, err := cmd.Root().Find(given)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var verbs []string
			for _, c := range at.Commands() {
				if c.IsAvailableCommand() {
					verbs = append(verbs, c.Name()+"\t"+c.Short)
				}
			}
			return verbs, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, given []string) error {
			at := cmd.Root()
			for _, name := range given {
				next, rest, err := at.Find([]string{name})
				if err != nil || len(rest) > 0 || next == at {
					return unknownVerb(at, name)
				}
				at = next
			}
			at.InitDefaultHelpFlag()
			at.InitDefaultVersionFlag()
			return at.Help()
		},
	}
}

// completion prints the script by which a shell completes plat's words.
func (a *app) completion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script that completes plat's words in your shell",
		Long: "Prints the script for bash, zsh, fish or powershell. It completes verbs, flags,\nand the live names: services, mails, findings, environments.\n\n" +
			"To have it in every shell:\n\n" +
			"  bash  plat completion bash > ~/.local/share/bash-completion/completions/plat\n" +
			"  zsh   plat completion zsh > \"${fpath[1]}/_plat\"\n" +
			"  fish  plat completion fish > ~/.config/fish/completions/plat.fish",
		Example:   "  source <(plat completion bash)\n  plat completion fish | source",
		GroupID:   "tools",
		ValidArgs: shells,
		Args:      args(1, 1, "one shell: bash, zsh, fish or powershell"),
		RunE: func(cmd *cobra.Command, given []string) error {
			root := cmd.Root()
			switch given[0] {
			case "bash":
				return root.GenBashCompletionV2(a.Out, true)
			case "zsh":
				return root.GenZshCompletion(a.Out)
			case "fish":
				return root.GenFishCompletion(a.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.Out)
			}
			return usage(cmd, fmt.Sprintf("%s is none of %s", given[0], strings.Join(shells, ", ")))
		},
	}
}
