// SPDX-License-Identifier: MPL-2.0

package history

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// commandName is the file of a build's command, beside its report.
const commandName = "command.json"

// commandSchema is the version of what a command looks like.
const commandSchema = 1

// Command is how a build was called, so that it can be gone on with. It is for its user
// alone, and has no password.
type Command struct {
	Schema   int                 `json:"schema"`
	Started  time.Time           `json:"started"`
	Dir      string              `json:"dir"`                // that relative names are meant from
	Files    []string            `json:"files"`              // declarations, as they were named
	Options  map[string][]string `json:"options,omitempty"`  // long names and values of options that were given
	Withheld []string            `json:"withheld,omitempty"` // names of options whose values have passwords
	Epoch    *int64              `json:"epoch,omitempty"`    // SOURCE_DATE_EPOCH
	Skipped  []SkippedStep       `json:"skipped,omitempty"`  // in the order in which they were
}

// SkippedStep is a step that counts as done although it failed.
type SkippedStep struct {
	Stage  string `json:"stage"`
	Step   int    `json:"step"`             // 1-based
	Image  string `json:"image"`            // id of the image with the state that it counts as done with
	Before string `json:"before,omitempty"` // key of what the step is based on
	What   string `json:"what"`             // how it failed, for a person
}

// WriteCommand keeps the command of a build in the directory of its logs.
func WriteCommand(dir string, c Command) error {
	c.Schema = commandSchema
	data, err := json.MarshalIndent(c, "", " ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = freshfile.Write(filepath.Join(dir, commandName), append(data, '\n'), false)
	}
	if err != nil {
		return fmt.Errorf("write the command of a build: %w", err)
	}
	return nil
}

// ReadCommand reads the command in a directory of logs. It is fs.ErrNotExist where a
// build has left none.
func ReadCommand(dir string) (*Command, error) {
	data, err := readLimited(filepath.Join(dir, commandName))
	if err != nil {
		return nil, fmt.Errorf("read the command of a build: %w", err)
	}
	c := &Command{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("read the command of a build %s: %w", dir, err)
	}
	if c.Schema != commandSchema {
		return nil, fmt.Errorf("read the command of a build %s: another version of carosbuild has written it", dir)
	}
	return c, nil
}

// LastCommand is the id of the build that was started last, of those that have left
// their commands; "" for none.
func LastCommand(logs string) (string, error) {
	dirs, err := os.ReadDir(logs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("list builds: %w", err)
	}
	id, last := "", time.Time{}
	for _, d := range dirs {
		if c, err := ReadCommand(filepath.Join(logs, d.Name())); err == nil && isBuildID(d.Name()) && !c.Started.Before(last) {
			id, last = d.Name(), c.Started
		}
	}
	return id, nil
}
