// SPDX-License-Identifier: MPL-2.0

package decl

import "github.com/carosio/carosbuild/pkg/decl/finding"

// ActionKind is the first word of an action.
type ActionKind string

// The actions. Bootstrap is not among them: it has its own element.
const (
	FromKind            ActionKind = "FROM"
	RunKind             ActionKind = "RUN"
	AddKind             ActionKind = "ADD"
	CopyKind            ActionKind = "COPY"
	EnvKind             ActionKind = "ENV"
	WorkdirKind         ActionKind = "WORKDIR"
	UserKind            ActionKind = "USER"
	ReposyncKind        ActionKind = "REPOSYNC"
	CreateBBLayersKind  ActionKind = "CREATE_BBLAYERS"
	CreateLocalConfKind ActionKind = "CREATE_LOCAL_CONF"
	BitbakeKind         ActionKind = "BITBAKE"
)

// Action is one step of a stage: one of the types of this file, as a pointer.
type Action interface {
	Kind() ActionKind // the word it begins with
	Written() *Argument
	action()
}

// Argument is the text after the word of an action, as it is written.
type Argument struct {
	Text string // trimmed
	Span finding.Span
}

// Written is the argument itself, which every action has.
func (a *Argument) Written() *Argument { return a }

// From starts the stage with an image.
type From struct {
	Argument
	Image string
}

// Run runs a command.
type Run struct {
	Argument
	Argv []string // nil means Text is for /bin/sh -c
}

// Copy is ADD or COPY: it puts files into the stage.
type Copy struct {
	Argument
	Add       bool // the word is ADD
	Sources   []string
	Dest      string
	FromStage string // stage that has the sources; "" for files beside the declaration
	Chown     string // USER or USER:GROUP
	Chmod     string // octal. It is kept as written: it may have variables, and the step's key is made from it
	Optional  bool   // a source that does not exist is left out
	Variables []Variable
}

// Env sets variables.
type Env struct {
	Argument
	Vars []EnvVar
}

// Workdir sets the working directory of the following actions.
type Workdir struct {
	Argument
	Dir       string
	Variables []Variable
}

// User sets the user of the following actions.
type User struct {
	Argument
	Name      string // USER or USER:GROUP
	Variables []Variable
}

// Reposync checks out the git layers.
type Reposync struct{ Argument }

// CreateBBLayers writes bitbake's bblayers.conf.
type CreateBBLayers struct{ Argument }

// CreateLocalConf writes bitbake's local.conf.
type CreateLocalConf struct{ Argument }

// Bitbake runs bitbake.
type Bitbake struct {
	Argument
	Targets []string
	Command string // task, or empty
	User    string // who runs it; empty means the stage's user
}

// EnvVar is one variable of an ENV action.
type EnvVar struct {
	Name   string
	Value  string // without quotes
	Expand bool   // uses of variables in Value, such as $NAME, ${NAME}, ${NAME:-word}, are filled in, and $$ is a dollar sign: see Fill
}

// Kind implements Action.
func (*From) Kind() ActionKind { return FromKind }

// Kind implements Action.
func (*Run) Kind() ActionKind { return RunKind }

// Kind implements Action.
func (*Env) Kind() ActionKind { return EnvKind }

// Kind implements Action.
func (*Workdir) Kind() ActionKind { return WorkdirKind }

// Kind implements Action.
func (*User) Kind() ActionKind { return UserKind }

// Kind implements Action.
func (*Reposync) Kind() ActionKind { return ReposyncKind }

// Kind implements Action.
func (*CreateBBLayers) Kind() ActionKind { return CreateBBLayersKind }

// Kind implements Action.
func (*CreateLocalConf) Kind() ActionKind { return CreateLocalConfKind }

// Kind implements Action.
func (*Bitbake) Kind() ActionKind { return BitbakeKind }

// Kind is AddKind or CopyKind.
func (c *Copy) Kind() ActionKind {
	if c.Add {
		return AddKind
	}
	return CopyKind
}

func (*From) action()            {}
func (*Run) action()             {}
func (*Copy) action()            {}
func (*Env) action()             {}
func (*Workdir) action()         {}
func (*User) action()            {}
func (*Reposync) action()        {}
func (*CreateBBLayers) action()  {}
func (*CreateLocalConf) action() {}
func (*Bitbake) action()         {}

// CopiesFrom is the stage whose files an action copies, or "".
func CopiesFrom(a Action) string {
	if c, ok := a.(*Copy); ok {
		return c.FromStage
	}
	return ""
}
