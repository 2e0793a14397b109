// SPDX-License-Identifier: MPL-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/decl"
)

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the RELAX NG schema of declarations, for editors and xmllint", Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(decl.Schema())
			return err
		},
	}
}
