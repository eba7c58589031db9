;; Waits for a second of the monotonic clock in a loop and puts the time it saw last into its message.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"accepted\":true,\"message\":\"0000000000000000\"}")
  ;; Writes the number as 16 hexadecimal digits to where the reply has room for them.
  (func $show (param $number i64) (local $at i32) (local $digit i32)
    (local.set $at (i32.const 16))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (local.set $digit (i32.wrap_i64 (i64.and (local.get $number) (i64.const 15))))
      (i32.store8
        (i32.add (i32.const 1052) (local.get $at))
        (i32.add
          (local.get $digit)
          (select (i32.const 0x57) (i32.const 0x30) (i32.gt_u (local.get $digit) (i32.const 9)))))
      (local.set $number (i64.shr_u (local.get $number) (i64.const 4)))
      (br_if $next (local.get $at))))
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (loop $again
      (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 0)))
      (br_if $again (i64.lt_u (i64.load (i32.const 0)) (i64.const 1000000000))))
    (call $show (i64.load (i32.const 0)))
    (call $respond (i32.const 1024) (i32.const 46))
    (i32.const 1)))
