; guest: echo
; format: multiboot
; teaches: input: the UART's receive interrupt, a ring buffer between handler and program, HLT while there is nothing to do
; expect-status: 0
; expect-serial: type lines; Ctrl-D ends\n
; expect-serial: HELLO\n
; expect-serial: THIS IS A GUEST\n
; expect-serial: 2 lines\n
; serial-input: hello\nthis is a guest\n\x04
;
; Try it in a terminal, and with a pipe: `printf 'hello\n\4' | toyvmm run guest-images/echo/echo.elf`.

        bits 32
%include "toyvmm.inc"

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

END_OF_INPUT    equ 4                   ; Ctrl-D
RING            equ 64                  ; bytes; a power of two

start:  ENTER_FLAT
        SET_GATE 0x24, on_uart, GATE_INT32
        mov al, 0x11                    ; the 8259s as in `interrupts`; IRQ 4 alone is open
        out PIC1, al
        out PIC2, al
        mov al, 0x20
        out PIC1 + 1, al
        mov al, 0x28
        out PIC2 + 1, al
        mov al, 4
        out PIC1 + 1, al
        mov al, 2
        out PIC2 + 1, al
        mov al, 1
        out PIC1 + 1, al
        out PIC2 + 1, al
        mov al, 0xEF
        out PIC1 + 1, al
        mov al, 0xFF
        out PIC2 + 1, al
        PRINT "type lines; Ctrl-D ends", 10
        mov dx, COM1 + 4
        mov al, 0x0B                    ; DTR, RTS, OUT2
        out dx, al
        mov dx, COM1 + 1
        mov al, 1                       ; IER: received data available
        out dx, al

        xor ebx, ebx                    ; lines so far
.next:  call read_char
        cmp al, END_OF_INPUT
        je .end
        cmp al, 13                      ; a terminal's Enter
        jne .not_return
        mov al, 10
.not_return:
        cmp al, 10
        jne .not_line
        inc ebx
.not_line:
        cmp al, 'a'
        jb .put
        cmp al, 'z'
        ja .put
        sub al, 'a' - 'A'
.put:   movzx eax, al
        PRINT_CHAR eax
        jmp .next
.end:   PRINT_DEC ebx
        PRINT " lines", 10
        jmp power_off

; AL = the next character; sleeps until there is one.
read_char:
        cli
        mov ecx, [taken]
        cmp ecx, [put]
        jne .have
        sti
        hlt                             ; STI's shadow covers HLT: see `interrupts`
        jmp read_char
.have:  and ecx, RING - 1
        mov al, [ring + ecx]
        inc dword [taken]
        sti
        ret

on_uart:
        pushad
.more:  mov dx, COM1_LSR
        in al, dx
        test al, 1                      ; data ready
        jz .done
        mov ecx, [put]
        mov eax, ecx
        sub eax, [taken]
        cmp eax, RING
        jae .done                       ; full: leave the rest in the UART, which holds its sender back
        mov dx, COM1
        in al, dx
        and ecx, RING - 1
        mov [ring + ecx], al
        inc dword [put]
        jmp .more
.done:  mov al, PIC_EOI
        out PIC1, al
        popad
        iretd

on_exception:
        PRINT "unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT 10
        jmp fail

        section .bss
        alignb 4
put:            resd 1                  ; characters ever put in, and taken out
taken:          resd 1
ring:           resb RING
