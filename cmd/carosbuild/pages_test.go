// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// TestPagesHaveRealCommands takes every command line of carosbuild out of the
// README and the pages, and checks that its command, its options and its number of
// arguments are valid. Other tests run the commands.
func TestPagesHaveRealCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, "../../README.md") {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range pageCommands(string(data)) {
			found++
			if err := parseOnly(words); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(page), strings.Join(words, " "), err)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d command lines were found", found)
	}
}

// parseOnly does with a command line what happens before a command runs.
func parseOnly(words []string) error {
	a := &cli.App{Getenv: func(string) string { return "" }}
	root := command(a)
	cmd, rest, err := root.Find(words)
	if err != nil || len(rest) == 0 { // a command that is only mentioned
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if len(cmd.Flags().Args()) == 0 { // an option that is only mentioned
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// pageCommands are the arguments of all command lines in a page.
func pageCommands(page string) [][]string {
	var out [][]string
	fenced := false
	page = strings.ReplaceAll(page, "\\\n", " ")
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		texts := []string{line}
		if !fenced && !strings.HasPrefix(line, "    ") { // `code` in prose
			texts = nil
			for i, span := range strings.Split(line, "`") {
				if i%2 == 1 {
					texts = append(texts, span)
				}
			}
		}
		for _, text := range texts {
			for _, words := range shellCommands(text) {
				if len(words) > 1 && words[1] != "COMMAND" && (words[0] == "carosbuild" || words[0] == "bin/carosbuild") {
					out = append(out, words[1:])
				}
			}
		}
	}
	return out
}

// shellCommands splits a line into commands and their words, as a shell would as
// far as pages have it: quotes, comments, && and pipes.
func shellCommands(line string) [][]string {
	var all [][]string
	var words []string
	word, open, quote := "", false, rune(0)
	end := func() {
		if open {
			words = append(words, word)
		}
		word, open = "", false
	}
	for _, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word += string(r)
			}
		case r == '\'' || r == '"':
			quote, open = r, true
		case r == '#' && !open:
			end()
			return append(all, words)
		case strings.ContainsRune("&|;>", r):
			end()
			all, words = append(all, words), nil
		case r == ' ' || r == '\t' || r == '\n':
			end()
		default:
			word, open = word+string(r), true
		}
	}
	end()
	return append(all, words)
}
