; guest: a20
; format: raw
; teaches: the gate that made a 286 forget its 21st address line, so that programs for the 8086 would still wrap at 1 MiB
; expect-status: 0
; expect-serial: A20 on:  two different bytes\n
; expect-serial: A20 off: the same byte: the address wrapped\n
; expect-serial: A20 off, FFFF:0010 reads 11\n
; expect-serial: A20 on, after a write there, 0000:0000 and FFFF:0010 read 1122\n
;
; FFFF:0510 is 0xFFFF0 + 0x510 = 0x100500. With address line 20 forced low that is 0x000500; with it free it is the
; High Memory Area, 64 KiB - 16 bytes that real mode can reach above 1 MiB. The gate is bit 1 of the keyboard
; controller's output port, because the 8042 had a pin to spare (IBM PC AT Technical
; Reference, "Keyboard Controller").

        bits 16
        org 0x7C00
%include "toyvmm.inc"

LOW             equ 0x0500              ; free memory just above the BIOS data area

start:  cli
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        call serial_init16
        dec ax
        mov es, ax                      ; ES = FFFF

        mov al, 0xDF                    ; output port: A20 on, no reset
        call set_output_port
        mov si, text_on
        call probe
        mov al, 0xDD                    ; A20 off
        call set_output_port
        mov si, text_off
        call probe

        ; A word at the very edge: its first byte lies at 0xFFFFF, its second at 0x100000 - or at 0.
        mov byte [0x0000], 0x11         ; (the divide error's vector, which nobody needs here)
        mov si, text_edge_off
        call print16
        mov al, [es:0x0010]
        call print_hex8
        mov al, 0xDF
        call set_output_port
        mov byte [es:0x0010], 0x22
        mov si, text_edge_on
        call print16
        mov al, [0x0000]
        call print_hex8
        mov al, [es:0x0010]
        call print_hex8
        mov al, 10
        call print_char16
        call serial_drain16

        mov dx, POWER_OFF
        mov ax, POWER_OFF_VALUE
        out dx, ax
.hang:  cli
        hlt
        jmp .hang

; Writes different bytes through both addresses and looks what came of it.
probe:  call print16
        mov byte [LOW], 0x55
        mov byte [es:LOW + 0x10], 0xAA
        cmp byte [LOW], 0x55
        mov si, text_two
        je .say
        mov si, text_one
.say:   jmp print16

; AL = the new value of the 8042's output port: bit 0 = 0 would reset the CPU, bit 1 is A20.
set_output_port:
        mov ah, al
        call kbc_wait
        mov al, 0xD1                    ; "write output port": the next data byte is the value
        out KBC_COMMAND, al
        call kbc_wait
        mov al, ah
        out KBC_DATA, al
kbc_wait:
        in al, KBC_COMMAND
        test al, 2                      ; input buffer full
        jnz kbc_wait
        ret

print_hex8:
        push ax
        shr al, 4
        call .digit
        pop ax
        and al, 15
.digit: cmp al, 10
        sbb al, 0x69                    ; the classic: 0-9 and A-F without a branch (CMP, SBB 69h, DAS)
        das
        jmp print_char16

%include "console16.inc"

text_on:        db "A20 on:  ", 0
text_off:       db "A20 off: ", 0
text_two:       db "two different bytes", 10, 0
text_one:       db "the same byte: the address wrapped", 10, 0
text_edge_off:  db "A20 off, FFFF:0010 reads ", 0
text_edge_on:   db 10, "A20 on, after a write there, 0000:0000 and FFFF:0010 read ", 0
