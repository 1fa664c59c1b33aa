; A disk whose boot sector tries the services of the BIOS that loaded it and reports on COM1, line by line. What it prints is
; the same on our BIOS and on SeaBIOS, so each checks the other:
;
;   nasm -f bin -o bios-test.img bios-test.asm
;   qemu-system-i386 -bios bios.bin -display none -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
;       -no-reboot -drive file=bios-test.img,format=raw,snapshot=on
;
; The expected output is in bios-test.expected; the exit status is 33.

        cpu     686
        bits    16
        org     0x7C00

SECTORS equ 64                          ; of this disk

start:  xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7C00
        mov     [drive], dl
        sti
        mov     ax, 0x0200 + 7          ; the rest of the program: 7 sectors after this one
        mov     bx, 0x7E00
        mov     cx, 0x0002
        mov     dh, 0
        int     0x13
        jc      .failed
        jmp     main
.failed:
        mov     si, .message
        call    say
        mov     al, 1
        jmp     leave_with
.message: db    'cannot read the program', 13, 10, 0

drive:  db      0

leave_with:
        out     0xF4, al
        cli
        hlt

; Prints the string at DS:SI.
say:    lodsb
        test    al, al
        jz      .done
        call    send
        jmp     say
.done:  ret

; Sends AL to COM1.
send:   push    dx
        push    ax
        mov     dx, 0x3FD
.wait:  in      al, dx
        test    al, 0x20
        jz      .wait
        pop     ax
        mov     dx, 0x3F8
        out     dx, al
        pop     dx
        ret

; Prints EAX in hexadecimal and a blank.
hex:    push    cx
        push    eax
        mov     cx, 8
.digit: rol     eax, 4
        push    eax
        and     al, 0x0F
        cmp     al, 10
        sbb     al, 0x69
        das
        call    send
        pop     eax
        loop    .digit
        mov     al, ' '
        call    send
        pop     eax
        pop     cx
        ret

; Prints a carry as C or a dash.
carry:  mov     al, '-'
        jnc     .send
        mov     al, 'C'
.send:  call    send
        mov     al, ' '
        call    send
        ret

        times   510 - ($ - $$) db 0
        dw      0xAA55

%macro SAY 1
        mov     si, %%text
        call    say
        jmp     %%over
%%text: db      %1, 0
%%over:
%endmacro
%macro NEWLINE 0
        mov     si, newline
        call    say
%endmacro
%macro SHOW 1
        movzx   eax, %1
        call    hex
%endmacro

newline: db     13, 10, 0

main:   SAY     'int 12h: '
        int     0x12
        movzx   eax, ax
        call    hex
        NEWLINE

        SAY     'int 11h, video and com: '
        int     0x11
        and     ax, 0x0E30
        movzx   eax, ax
        call    hex
        NEWLINE

; ---- memory map ------------------------------------------------------------------------------------------------------------
        ; The entry that begins at 0 and the one at 1 MiB: other BIOSes put more between and behind.
        xor     ebx, ebx
.e820:  mov     eax, 0xE820
        mov     edx, 0x534D4150
        mov     ecx, 20
        mov     di, entry
        int     0x15
        jc      .e820_done
        cmp     eax, 0x534D4150
        jne     .e820_done
        cmp     dword [entry], 0
        je      .e820_show
        cmp     dword [entry], 0x9FC00
        jne     .e820_next
.e820_show:
        SAY     'e820: '
        mov     eax, [entry]
        call    hex
        mov     eax, [entry + 8]
        call    hex
        mov     eax, [entry + 16]
        call    hex
        NEWLINE
.e820_next:
        test    ebx, ebx
        jnz     .e820
.e820_done:

        SAY     'a20: '
        mov     ax, 0x2400
        int     0x15
        call    carry
        mov     ax, 0x2402
        int     0x15
        SHOW    al
        mov     ax, 0x2401
        int     0x15
        mov     ax, 0x2402
        int     0x15
        SHOW    al
        NEWLINE

        SAY     'unknown service: '
        mov     ax, 0xDE00
        int     0x15
        pushf
        shr     ax, 8
        movzx   eax, ax
        call    hex
        popf
        call    carry
        NEWLINE

; ---- a move above 1 MiB and back ---------------------------------------------------------------------------------------------
        SAY     'move: '
        mov     word [table + 0x12], pattern
        mov     byte [table + 0x14], 0
        mov     word [table + 0x1A], 0x3456
        mov     byte [table + 0x1C], 0x12
        call    move
        call    carry
        mov     word [table + 0x12], 0x3456
        mov     byte [table + 0x14], 0x12
        mov     word [table + 0x1A], returned
        mov     byte [table + 0x1C], 0
        call    move
        call    carry
        mov     eax, [returned]
        call    hex
        NEWLINE

; ---- disk ----------------------------------------------------------------------------------------------------------------------
        SAY     'disk type: '
        mov     ah, 0x15
        mov     dl, [drive]
        int     0x13
        pushf
        shr     ax, 8                   ; (CX:DX, the number of sectors, differs: SeaBIOS tells whole cylinders)
        movzx   eax, ax
        call    hex
        popf
        call    carry
        NEWLINE

        SAY     'geometry: '
        mov     ah, 0x08
        mov     dl, [drive]
        int     0x13
        pushf
        push    dx
        push    cx
        movzx   eax, ah
        call    hex
        pop     cx
        pop     dx
        and     cx, 0x3F
        movzx   eax, cx
        call    hex
        movzx   eax, dl
        call    hex
        popf
        call    carry
        NEWLINE

        SAY     'extensions: '
        mov     ah, 0x41
        mov     bx, 0x55AA
        mov     dl, [drive]
        int     0x13
        pushf
        movzx   eax, bx
        call    hex
        and     cx, 1
        movzx   eax, cx
        call    hex
        popf
        call    carry
        NEWLINE

        SAY     'packet read: '
        mov     ah, 0x42
        mov     si, packet
        mov     dl, [drive]
        int     0x13
        pushf
        movzx   eax, ah
        call    hex
        movzx   eax, word [packet + 2]
        call    hex
        mov     eax, [0x9000]
        call    hex
        mov     eax, [0x9000 + 512 * 2]
        call    hex
        popf
        call    carry
        NEWLINE

        SAY     'write: '
        mov     dword [0x9000], 0x600DF00D
        mov     ax, 0x0301
        mov     bx, 0x9000
        mov     cx, 0x0010              ; sector 16 = number 15
        mov     dh, 0
        mov     dl, [drive]
        int     0x13
        pushf
        movzx   eax, ax
        call    hex
        popf
        call    carry
        mov     dword [0x9000], 0
        mov     ax, 0x0201
        mov     bx, 0x9000
        mov     cx, 0x0010
        mov     dh, 0
        mov     dl, [drive]
        int     0x13
        mov     eax, [0x9000]
        call    hex
        NEWLINE

        SAY     'no such sector: '
        mov     dword [packet + 8], 0x0FFF_FFF0
        mov     ah, 0x42
        mov     si, packet
        mov     dl, [drive]
        int     0x13
        call    carry
        mov     ax, 0x0201
        mov     cx, 0x0000              ; sector 0
        mov     dh, 0
        mov     dl, [drive]
        mov     bx, 0x9000
        int     0x13
        call    carry
        mov     ah, 0x02
        mov     al, 1
        mov     cx, 1
        mov     dx, 0x0087              ; no such drive
        int     0x13
        call    carry
        NEWLINE

; ---- screen --------------------------------------------------------------------------------------------------------------------
        mov     ax, 0x0003
        int     0x10
        SAY     'mode: '
        mov     ah, 0x0F
        int     0x10
        movzx   eax, ax
        call    hex
        NEWLINE

        SAY     'teletype: '
        mov     si, screen_text
.type:  lodsb
        test    al, al
        jz      .typed
        mov     ah, 0x0E
        mov     bx, 0x0007
        int     0x10
        jmp     .type
.typed: call    cursor
        call    cells
        NEWLINE

        SAY     'attributes: '
        mov     ax, 0x0200
        mov     bh, 0
        mov     dx, 0x0000
        int     0x10
        mov     ax, 0x0900 + '#'
        mov     bx, 0x001E
        mov     cx, 2
        int     0x10
        mov     ah, 0x08
        mov     bh, 0
        int     0x10
        movzx   eax, ax
        call    hex
        call    cells
        NEWLINE

        SAY     'string: '
        mov     ax, 0x1301
        mov     bx, 0x002F
        mov     cx, 5
        mov     dx, 0x0000
        mov     bp, string
        int     0x10
        call    cursor
        call    cells
        NEWLINE

        SAY     'scrolling: '
        mov     ax, 0x0601              ; up: row 1 onto row 0
        mov     bh, 0x70
        mov     cx, 0x0000
        mov     dx, 0x184F
        int     0x10
        call    cells
        mov     ax, 0x0702              ; down by two
        mov     bh, 0x17
        mov     cx, 0x0000
        mov     dx, 0x184F
        int     0x10
        call    cells
        mov     ax, 0x0200              ; a line feed in the last row
        mov     bh, 0
        mov     dx, 0x1805
        int     0x10
        mov     ax, 0x0E0A
        mov     bx, 7
        int     0x10
        call    cursor
        mov     ax, 0x0600              ; clear
        mov     bh, 0x07
        mov     cx, 0x0000
        mov     dx, 0x184F
        int     0x10
        call    cells
        NEWLINE

; ---- keyboard ------------------------------------------------------------------------------------------------------------------
        SAY     'keys: '
        mov     ah, 0x01
        int     0x16
        mov     al, '-'
        jz      .no_key
        mov     al, 'K'
.no_key:
        call    send
        mov     al, ' '
        call    send
        mov     ah, 0x05
        mov     cx, 0x1E61
        int     0x16
        movzx   eax, al
        call    hex
        mov     ah, 0x11
        int     0x16
        movzx   eax, ax
        call    hex
        mov     ah, 0x00
        int     0x16
        movzx   eax, ax
        call    hex
        NEWLINE

; ---- time ----------------------------------------------------------------------------------------------------------------------
        SAY     'ticks: '
        mov     ah, 0x00
        int     0x1A
        mov     [ticks], dx
.tick:  hlt
        mov     ah, 0x00
        int     0x1A
        sub     dx, [ticks]
        cmp     dx, 2
        jb      .tick
        movzx   eax, dx
        call    hex
        NEWLINE

        SAY     'clock: '
        mov     ah, 0x04
        int     0x1A
        pushf
        movzx   eax, ch                 ; century
        call    hex
        popf
        call    carry
        mov     ah, 0x02
        int     0x1A
        call    carry
        mov     ax, 0x8600              ; 20 ms
        mov     cx, 0
        mov     dx, 20000
        int     0x15
        call    carry
        NEWLINE

        SAY     'end'
        NEWLINE
        mov     al, 16
        jmp     leave_with

move:   mov     ah, 0x87
        mov     cx, 2
        mov     si, table
        int     0x15
        ret

; Prints the cursor's row and column.
cursor: mov     ah, 0x03
        mov     bh, 0
        int     0x10
        movzx   eax, dx
        jmp     hex

; Prints the first four cells of the screen.
cells:  push    es
        push    word 0xB800
        pop     es
        mov     eax, [es:0]
        call    hex
        mov     eax, [es:4]
        pop     es
        jmp     hex

pattern:  dd    0x12345678
returned: dd    0
ticks:    dw    0
screen_text: db 'AB', 8, 'C', 13, 10, 7, 'D', 10, 'E', 0
string:   db    'X', 13, 10, 'Y', 'Z'
entry:    times 20 db 0

        align   4
packet: db      16, 0
        dw      3
        dw      0x9000, 0
        dq      20

table:  times   0x10 db 0
        dw      0xFFFF, 0               ; source
        db      0, 0x93, 0, 0
        dw      0xFFFF, 0               ; destination
        db      0, 0x93, 0, 0
        times   0x10 db 0

        times   20 * 512 - ($ - $$) db 0

; Sectors 20 and up carry their number.
%assign number 20
%rep SECTORS - 20
        dd      0xD15C0000 + number
        times   508 db 0
%assign number number + 1
%endrep
