; guest: interrupts
; format: multiboot
; teaches: the 8259s, the 8254 at 1 kHz, the RTC's periodic interrupt, the UART's interrupt, HLT, masks and priorities
; expect-status: 0
; expect-serial: masks 000000FE 000000FF\n
; expect-serial: the timer woke HLT 100 times\n
; expect-serial: in-service register inside the handler: 00000001\n
; expect-serial: 8254 status: 00000034, the count is below the reload value: ok\n
; expect-serial: masked: pending but not delivered: ok\n
; expect-serial: unmasked: delivered\n
; expect-serial: the RTC has come 128 times\n
; expect-serial: in the same time the one-shot timer came 1 time\n
; expect-serial: both pending: the first was IRQ 0\n
; expect-serial: UART interrupt, IIR 00000002\n
; expect-serial: loopback: 0000005A, modem status 00000090\n
; expect-serial: channel 2 is counting: ok\n
; expect-serial: channel 2 has reached zero\n
;
; Nothing here prints a time: a count of interrupts is the same on every machine, whatever its clock.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

VECTOR_BASE     equ 0x20                ; IRQ n arrives as vector 0x20 + n: above the exceptions (SDM 3A 6.2)

start:  ENTER_FLAT
        SET_GATE VECTOR_BASE + 0, on_timer, GATE_INT32
        SET_GATE VECTOR_BASE + 4, on_uart, GATE_INT32
        SET_GATE VECTOR_BASE + 8, on_rtc, GATE_INT32

        ; ---- the two 8259As (data sheet: ICW1 to ICW4). After power-on IRQ 0-7 would hit the exception vectors.
        mov al, 0x11                    ; ICW1: edge triggered, cascade, ICW4 follows
        out PIC1, al
        out PIC2, al
        mov al, VECTOR_BASE             ; ICW2: vector base
        out PIC1 + 1, al
        mov al, VECTOR_BASE + 8
        out PIC2 + 1, al
        mov al, 1 << 2                  ; ICW3: the slave hangs on IR2 ...
        out PIC1 + 1, al
        mov al, 2                       ; ... and is told so
        out PIC2 + 1, al
        mov al, 1                       ; ICW4: 8086 mode, normal end of interrupt
        out PIC1 + 1, al
        out PIC2 + 1, al
        mov al, 0xFE                    ; OCW1: only IRQ 0 is open
        out PIC1 + 1, al
        mov al, 0xFF
        out PIC2 + 1, al
        in al, PIC1 + 1
        movzx eax, al
        PRINT "masks "
        PRINT_HEX eax
        in al, PIC2 + 1
        movzx eax, al
        PRINT " "
        PRINT_HEX eax
        PRINT 10

        ; ---- 100 ticks at 1 kHz
        mov al, 0x34                    ; channel 0, low then high byte, mode 2 (rate generator), binary
        out PIT_COMMAND, al
        mov ax, PIT_HZ / 1000
        out PIT_CHANNEL0, al
        mov al, ah
        out PIT_CHANNEL0, al
.wait:  cli
        cmp dword [ticks], 100
        jae .enough
        sti                             ; STI takes effect after the *next* instruction (SDM 2B, STI): no interrupt can
        hlt                             ; slip in between the two and leave HLT waiting for ever
        jmp .wait
.enough:
        PRINT "the timer woke HLT 100 times", 10
        PRINT "in-service register inside the handler: "
        PRINT_HEX dword [in_service]
        PRINT 10

        ; ---- status and count by the read-back command (8254 data sheet, figure 9)
        mov al, 0xC2                    ; latch count and status of channel 0
        out PIT_COMMAND, al
        in al, PIT_CHANNEL0             ; the status comes first: bits 5-0 are the control word
        and eax, 0x3F
        PRINT "8254 status: "
        PRINT_HEX eax
        in al, PIT_CHANNEL0
        mov bl, al
        in al, PIT_CHANNEL0
        mov bh, al
        cmp bx, PIT_HZ / 1000
        CHECK be, ", the count is below the reload value"

        ; ---- masked: the request waits in the IRR
        mov al, 0xFF
        out PIC1 + 1, al
        sti
        mov dword [ticks], 0
.pending:
        mov al, 0x0A                    ; OCW3: the next read of the command port gives the IRR
        out PIC1, al
        in al, PIC1
        test al, 1
        jz .pending
        cmp dword [ticks], 0
        CHECK e, "masked: pending but not delivered"
        mov al, 0xFE
        out PIC1 + 1, al
        nop
.delivery:
        cmp dword [ticks], 0
        je .delivery
        PRINT "unmasked: delivered", 10
        cli

        ; ---- one shot: mode 0 counts to zero once. A last tick of the old mode may still be pending: the first STI lets
        ; it in, long before the new count runs out, and the counter starts from there.
        mov al, 0x30
        out PIT_COMMAND, al
        mov al, 0                       ; 0 stands for 65,536: 55 ms
        out PIT_CHANNEL0, al
        out PIT_CHANNEL0, al
        sti
        nop
        nop
        cli
        call start_rtc                  ; meanwhile, the other clock
        mov dword [ticks], 0
        mov al, 0xFA                    ; IRQ 0 and the cascade
        out PIC1 + 1, al
        mov al, 0xFE                    ; IRQ 8
        out PIC2 + 1, al
.rtc:   cli
        cmp dword [rtc_ticks], 128
        jae .rtc_enough
        sti
        hlt
        jmp .rtc
.rtc_enough:
        PRINT "the RTC has come 128 times", 10
        PRINT "in the same time the one-shot timer came "
        PRINT_DEC dword [ticks]
        PRINT " time", 10

        ; ---- priority: both pending, and unmasked at once; IRQ 0 wins over IRQ 8, which comes through IR2
        mov dword [first], 0
        mov al, 0xFF
        out PIC1 + 1, al
        mov al, 0x30
        out PIT_COMMAND, al
        mov al, 0x40
        out PIT_CHANNEL0, al
        mov al, 0
        out PIT_CHANNEL0, al
.both:  mov al, 0x0A
        out PIC1, al
        in al, PIC1
        and al, 5
        cmp al, 5
        jne .both
        mov al, 0xFA
        out PIC1 + 1, al
        sti
        nop
.both_delivered:
        cmp dword [first], 0
        je .both_delivered
        cli
        PRINT "both pending: the first was IRQ "
        mov eax, [first]
        dec eax
        PRINT_DEC eax
        PRINT 10
        call stop_rtc

        ; ---- the UART: "transmitter empty" interrupts as soon as it is allowed to (16550 data sheet, IER, IIR)
        mov dx, COM1 + 4
        mov al, 0x0B                    ; MCR: DTR, RTS, and OUT2, which connects the interrupt line on a PC
        out dx, al
        mov al, 0xEF                    ; IRQ 4 only
        out PIC1 + 1, al
        sti
        mov dx, COM1 + 1
        mov al, 0x02                    ; IER: transmitter holding register empty
        out dx, al
.uart:  cmp dword [uart_interrupts], 0
        je .uart
        cli
        PRINT "UART interrupt, IIR "
        PRINT_HEX dword [uart_cause]
        PRINT 10

        ; ---- the UART's loopback: what is sent is received, and the modem control lines come back as status
        call serial_drain               ; or the last character printed would come back as the first one received
        mov dx, COM1 + 4
        mov al, 0x1A                    ; LOOP, RTS, OUT2
        out dx, al
        mov dx, COM1
        mov al, 0x5A
        out dx, al
        mov dx, COM1_LSR
.loop:  in al, dx
        test al, 1                      ; data ready
        jz .loop
        mov dx, COM1
        in al, dx
        movzx ebx, al
        mov dx, COM1 + 6
        in al, dx
        movzx ecx, al
        and ecx, 0xF0
        mov dx, COM1 + 4
        mov al, 0x03
        out dx, al
        PRINT "loopback: "
        PRINT_HEX ebx
        PRINT ", modem status "
        PRINT_HEX ecx                   ; CTS (from RTS) and DCD (from OUT2)
        PRINT 10

        ; ---- channel 2, watched through port 61h: no interrupt at all
        in al, 0x61
        and al, 0xFC
        or al, 1                        ; gate on, speaker off
        out 0x61, al
        mov al, 0xB0                    ; channel 2, mode 0
        out PIT_COMMAND, al
        mov al, 0xFF
        out 0x42, al
        out 0x42, al                    ; 55 ms: far from over at the next instruction
        in al, 0x61
        test al, 0x20                   ; OUT of channel 2: low until the count has run out
        CHECK z, "channel 2 is counting"
        mov al, 0x00
        out 0x42, al
        mov al, 0x04
        out 0x42, al                    ; a new count takes the place of the old one: 0.9 ms
.out2:  in al, 0x61
        test al, 0x20
        jz .out2
        PRINT "channel 2 has reached zero", 10
        jmp power_off

; ---- the RTC (MC146818A data sheet) -----------------------------------------------------------------------------------
start_rtc:
        mov al, 0x8A                    ; register A; bit 7 of the index also holds NMI off
        out RTC_INDEX, al
        mov al, 0x26                    ; 32,768 Hz time base, rate 6: 1,024 interrupts a second
        out RTC_DATA, al
        mov al, 0x8B                    ; register B
        out RTC_INDEX, al
        in al, RTC_DATA
        or al, 0x40                     ; PIE
        mov ah, al
        mov al, 0x8B
        out RTC_INDEX, al
        mov al, ah
        out RTC_DATA, al
        jmp read_register_c

stop_rtc:
        mov al, 0x8B
        out RTC_INDEX, al
        in al, RTC_DATA
        and al, ~0x40
        mov ah, al
        mov al, 0x0B                    ; NMI on again
        out RTC_INDEX, al
        mov al, ah
        out RTC_DATA, al
        ret

; The RTC holds its line until register C has been read: without this there is exactly one interrupt, ever.
read_register_c:
        mov al, 0x8C
        out RTC_INDEX, al
        in al, RTC_DATA
        ret

; ---- handlers ---------------------------------------------------------------------------------------------------------
on_timer:
        push eax
        inc dword [ticks]
        cmp dword [first], 0
        jne .not_first
        mov dword [first], 1 + 0
.not_first:
        mov al, 0x0B                    ; OCW3: read the ISR
        out PIC1, al
        in al, PIC1
        movzx eax, al
        mov [in_service], eax
        mov al, PIC_EOI
        out PIC1, al
        pop eax
        iretd

on_rtc:
        push eax
        inc dword [rtc_ticks]
        cmp dword [first], 0
        jne .not_first
        mov dword [first], 1 + 8
.not_first:
        call read_register_c
        mov al, PIC_EOI
        out PIC2, al                    ; both chips have a bit in service
        out PIC1, al
        pop eax
        iretd

on_uart:
        push eax
        push edx
        inc dword [uart_interrupts]
        mov dx, COM1 + 2
        in al, dx                       ; IIR: why; reading it also clears this cause
        and eax, 0x0F                   ; the upper bits tell of the FIFO
        mov [uart_cause], eax
        mov dx, COM1 + 1
        xor al, al
        out dx, al                      ; no more: printing works by polling
        mov al, PIC_EOI
        out PIC1, al
        pop edx
        pop eax
        iretd

on_exception:
        PRINT "unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT 10
        jmp fail

        section .data
        align 4
ticks:          dd 0
rtc_ticks:      dd 0
first:          dd 0                    ; 1 + the IRQ that was delivered first
in_service:     dd 0
uart_interrupts: dd 0
uart_cause:     dd 0
