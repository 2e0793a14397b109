// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// version is set by the linker.
var version = ""

func versionCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cli.Exactly(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.Stdout, "carosbuild %s %s/%s %s\n", buildVersion(), runtime.GOOS, runtime.GOARCH, runtime.Version())
			return err
		},
	}
}

// buildVersion is what the linker was told, else what Go has recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		return recordedVersion(bi)
	}
	return "unknown"
}

// recordedVersion is the module's version, else the commit that was checked out.
func recordedVersion(bi *debug.BuildInfo) string {
	if v := bi.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	set := map[string]string{}
	for _, s := range bi.Settings {
		set[s.Key] = s.Value
	}
	revision := set["vcs.revision"]
	if revision == "" {
		return "unknown (not built from a git clone)"
	}
	v := revision[:min(12, len(revision))]
	if set["vcs.modified"] == "true" {
		v += "-dirty"
	}
	if day, _, ok := strings.Cut(set["vcs.time"], "T"); ok {
		v += " of " + day
	}
	return v
}
