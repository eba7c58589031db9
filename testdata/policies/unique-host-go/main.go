// Command unique-host-go is the policy unique-host once more, as a WASI program.
//
// It reads a request or settings from stdin and writes its answer to stdout. What the host
// answers to its calls arrives on stdin too, so stdin must be read to its end before the first
// of them.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	sdk "github.com/kubewarden/policy-sdk-go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("expected one argument, validate or validate-settings")
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("cannot read stdin: %w", err)
	}
	var answer []byte
	switch args[0] {
	case "validate":
		answer, err = validate(input)
	case "validate-settings":
		answer, err = validateSettings(input)
	default:
		err = fmt.Errorf("unknown operation %q", args[0])
	}
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(answer)
	return err
}

// validateSettings refuses every setting: there is nothing to set.
func validateSettings(input []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(input))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&struct{}{}); err != nil {
		return sdk.RejectSettings(sdk.Message("Settings cannot be read: " + err.Error()))
	}
	return sdk.AcceptSettings()
}
