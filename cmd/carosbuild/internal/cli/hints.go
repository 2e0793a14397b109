// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/words"
)

// FlagError explains an error about an option: an unknown one may be misspelt.
func (a *App) FlagError(cmd *cobra.Command, err error) error {
	for i, arg := range os.Args { // options after the mistake were not read
		if arg == "--progress=json" || arg == "json" && i > 0 && os.Args[i-1] == "--progress" {
			a.Progress = "json"
		}
	}
	var value *pflag.InvalidValueError
	if errors.As(err, &value) && value.GetFlag() != nil && value.GetFlag().Value.Type() == "duration" {
		return Usagef("--%s %q is not a time: want one such as 90s or 5m", value.GetFlag().Name, value.GetValue())
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return Usage(err)
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if name := meantFlag(unknown.GetSpecifiedName(), names); name != "" {
		return Usagef("%w (did you mean --%s?)", err, name)
	}
	return Usage(err)
}

// otherNames maps other programs' names of options to ours.
var otherNames = map[string]string{"output": "out", "quiet": "progress=quiet", "verbose": "progress=plain", "older": "older-than", "stage": "target", "file": "declaration"}

// meantFlag is the option most similar to a word, or "".
func meantFlag(word string, names []string) string {
	known := slices.Clone(names)
	for other, name := range otherNames {
		flag, _, _ := strings.Cut(name, "=")
		if (slices.Contains(names, flag) || flag == "progress") && !slices.Contains(names, other) {
			known = append(known, other)
		}
	}
	slices.Sort(known)
	name := word
	if !slices.Contains(known, word) {
		_, name, _ = strings.Cut(words.DidYouMean(word, known), `"`)
		name, _, _ = strings.Cut(name, `"`)
	}
	if other := otherNames[name]; other != "" && !slices.Contains(names, name) {
		return other
	}
	return name
}

// CommandError explains a word that is neither a command nor a file: it says which
// command may be meant.
func CommandError(root *cobra.Command, word string) error {
	if strings.ContainsAny(word, "./") {
		return nil // a file is meant
	}
	if _, err := os.Lstat(word); err == nil {
		return nil
	}
	var names []string
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := words.DidYouMean(word, names)
	if hint == "" {
		return nil
	}
	return Usage(fmt.Errorf("%q is neither a command nor a declaration (%s)", word, hint))
}
