;; Passes on what its host answers: a response as its reply, an error as its error.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response_len" (func $response_len (result i32)))
  (import "wapc" "__host_response" (func $response (param i32)))
  (import "wapc" "__host_error_len" (func $error_len (result i32)))
  (import "wapc" "__host_error" (func $error (param i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "kubewarden")
  (data (i32.const 16) "fake")
  (data (i32.const 32) "v1/answer")
  (data (i32.const 48) "{\"question\":1}")
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (if (result i32) (i32.eq (i32.const 1) (call $host_call
      (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 9)
      (i32.const 48) (i32.const 14)))
      (then
        (call $response (i32.const 1024))
        (call $respond (i32.const 1024) (call $response_len))
        (i32.const 1))
      (else
        (call $error (i32.const 1024))
        (call $fail (i32.const 1024) (call $error_len))
        (i32.const 0)))))
