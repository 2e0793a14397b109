// SPDX-License-Identifier: MPL-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/decl"
)

func schemaCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the RELAX NG schema of declarations, for editors and xmllint", Args: cli.Exactly(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.Stdout.Write(decl.Schema())
			return err
		},
	}
}
