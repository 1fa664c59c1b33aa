; guest: noisy
; format: multiboot
; teaches: a bad neighbour: storms of exits, of self-modified code, of page faults, of disk writes; and a quiet one
; expect-status: 0
; expect-serial: exits: 800 port accesses\n
; expect-serial: code: 1600 functions written, sum 0004D8A0\n
; expect-serial: tables: 6400 page faults\n
; expect-serial: disk: there is none\n
; expect-serial: idle: 100 ticks slept through\n
;
; What costs the host of a virtual machine most is not what costs the guest most. Each storm here is a few instructions in a loop that make
; the monitor work: leave emitted code, translate again, walk tables and map, write to a file and wait for it. A host that shares its processor by counting
; instructions gives such a guest many times its share (docs/fleet.md; `toyvmm bench neighbour` measures it).
;
; The last one is a good neighbour: it sleeps, and a timer wakes it a thousand times a second; how long it then waits for its turn is what the others cost it.
;
; Command line: storm=exits|code|tables|disk|idle (without one, each of them), loops=N (100 without one; 0: for ever).

        bits 32
%include "toyvmm.inc"

DEFAULT_LOOPS   equ 100
FUNCTIONS       equ 16          ; the storm of code: so many functions, each on a page of its own
CALLS           equ 40          ; of each, between two times that it is written: enough to be worth translating
PAGES           equ 64          ; the storm of tables
WINDOW          equ 0x00800000  ; where they appear, in linear addresses
FRAMES          equ 0x00400000  ; the frames behind them, and behind the functions
SECTORS         equ 256         ; the storm of disk writes goes around in so many
ATA             equ 0x1F0

        section .multiboot
        MULTIBOOT_HEADER

        section .text
        global start
%include "console32.inc"
%include "protected.inc"

start:  ENTER_FLAT
        call parse_command_line
        call prepare_paging
        cmp byte [storm], 0
        jne .one
        call exits
        call code
        call tables
        call disk
        call idle
        jmp power_off
.one:   mov eax, exits
        cmp byte [storm], 'e'
        je .run
        mov eax, code
        cmp byte [storm], 'c'
        je .run
        mov eax, tables
        cmp byte [storm], 't'
        je .run
        mov eax, disk
        cmp byte [storm], 'd'
        je .run
        mov eax, idle
        cmp byte [storm], 'i'
        je .run
        PRINT "storm= wants exits, code, tables, disk or idle", 10
        jmp fail
.run:   call eax
        jmp power_off

; AGAIN label: the end of a loop whose turns EBP counts; 0 turns are for ever.
%macro AGAIN 1
        inc ebp
        cmp ebp, [loops]
        jne %1
%endmacro

; ============================================================================================================== exits
; Eight accesses to ports a turn: a latch, a status register, a timer, an index.
exits:  xor ebp, ebp
.turn:  out 0x80, al
        mov edx, COM1_LSR
        in al, dx
        in al, PIT_CHANNEL0
        out 0x80, al
        in al, PIC1 + 1
        in al, KBC_COMMAND
        in al, dx
        in al, PIC2 + 1
        AGAIN .turn
        lea eax, [ebp * 8]
        PRINT "exits: "
        PRINT_DEC eax
        PRINT " port accesses", 10
        ret

; =============================================================================================================== code
; Functions that are written, called until they are hot, and written again.
code:   xor ebp, ebp
        xor esi, esi                    ; what they return, added up
.turn:  xor ebx, ebx
.function:
        mov edi, ebx
        shl edi, 12
        add edi, FRAMES + (PAGES << 12)
        mov byte [edi], 0xB8            ; MOV EAX, EBP
        mov [edi + 1], ebp
        mov byte [edi + 5], 0xC3        ; RET
        mov ecx, CALLS
.call:  call edi
        dec ecx
        jnz .call
        add esi, eax
        add esi, 149                    ; so that the first turn counts
        inc ebx
        cmp ebx, FUNCTIONS
        jb .function
        AGAIN .turn
        mov eax, ebp
        shl eax, 4
        PRINT "code: "
        PRINT_DEC eax
        PRINT " functions written, sum "
        PRINT_HEX esi
        PRINT 10
        ret

; ============================================================================================================= tables
; A window of pages that are not there; each is touched, its fault maps it; then all are taken away again.
tables: xor ebp, ebp
        mov dword [faults], 0
.turn:  mov ecx, PAGES
        mov edi, window_table
        xor eax, eax
        rep stosd
        mov eax, cr3
        mov cr3, eax
        xor ebx, ebx
.page:  mov edi, ebx
        shl edi, 12
        inc dword [WINDOW + edi]
        inc ebx
        cmp ebx, PAGES
        jb .page
        AGAIN .turn
        PRINT "tables: "
        PRINT_DEC dword [faults]
        PRINT " page faults", 10
        ret

on_exception:
        cmp dword [esp + FRAME.vector], 14
        jne .unexpected
        inc dword [faults]
        mov eax, cr2
        sub eax, WINDOW
        shr eax, 12
        cmp eax, PAGES
        jae .unexpected
        mov edx, eax
        shl edx, 12
        add edx, FRAMES + 3             ; present, writable
        mov [window_table + eax * 4], edx
        EXCEPTION_RETURN
.unexpected:
        PRINT "noisy: unexpected exception "
        PRINT_DEC dword [esp + FRAME.vector]
        PRINT 10
        jmp fail

; The first 8 MiB as they are, with large pages; the window above them.
prepare_paging:
        mov dword [directory], 0x83             ; present, writable, 4 MiB
        mov dword [directory + 4], FRAMES | 0x83
        mov eax, window_table
        or eax, 3
        mov [directory + (WINDOW >> 22) * 4], eax
        mov eax, cr4
        or eax, CR4_PSE
        mov cr4, eax
        mov eax, directory
        mov cr3, eax
        mov eax, cr0
        or eax, CR0_PG | CR0_WP
        mov cr0, eax
        jmp .on
.on:    ret

; =============================================================================================================== disk
; One sector after the other, each followed by FLUSH CACHE (ATA/ATAPI-6, 8.12): the host has to wait for its own disk.
disk:   mov edx, ATA + 6
        mov al, 0xE0                    ; LBA, the master
        out dx, al
        mov edx, ATA + 7
        in al, dx
        and al, 0xE1                    ; BSY, DRDY, DF, ERR: a disk that is ready; nobody there is 0, 7Fh or FFh
        cmp al, 0x40
        je .there
        PRINT "disk: there is none", 10
        ret
.there: xor ebp, ebp
.turn:  mov edx, ATA + 2
        mov al, 1                       ; a sector
        out dx, al
        inc edx
        mov eax, ebp
        and eax, SECTORS - 1
        out dx, al
        inc edx
        xor al, al
        out dx, al
        inc edx
        out dx, al
        mov edx, ATA + 7
        mov al, 0x30                    ; WRITE SECTORS
        out dx, al
        mov ecx, 256
        mov esi, start
.wait:  in al, dx
        test al, 0x21                   ; ERR, DF
        jnz .error
        test al, 8                      ; DRQ
        jz .wait
        mov edx, ATA
        rep outsw
        mov edx, ATA + 7
.written:
        in al, dx
        test al, 0x80                   ; BSY
        jnz .written
        mov al, 0xE7                    ; FLUSH CACHE
        out dx, al
.flushed:
        in al, dx
        test al, 0x80
        jnz .flushed
        AGAIN .turn
        PRINT "disk: "
        PRINT_DEC ebp
        PRINT " sectors written", 10
        ret
.error: PRINT "disk: error", 10
        jmp fail

; =============================================================================================================== idle
; HLT until the timer comes, then a little work.
TICKS           equ 0x20        ; the vectors of the first 8259A begin here
idle:   SET_GATE TICKS, tick, GATE_INT32
        mov al, 0x11                    ; ICW1-4 (8259A data sheet): edge, cascade, vectors from TICKS, slave on 2, 8086
        out PIC1, al
        mov al, TICKS
        out PIC1 + 1, al
        mov al, 4
        out PIC1 + 1, al
        mov al, 1
        out PIC1 + 1, al
        mov al, 0xFE                    ; the timer alone
        out PIC1 + 1, al
        mov al, 0x34                    ; channel 0, both bytes, mode 2 (8254 data sheet)
        out PIT_COMMAND, al
        mov eax, PIT_HZ / 1000
        out PIT_CHANNEL0, al
        mov al, ah
        out PIT_CHANNEL0, al
        xor ebp, ebp
.turn:  sti
        hlt
        cli
        mov ecx, 1000
.work:  dec ecx
        jnz .work
        AGAIN .turn
        mov al, 0xFF
        out PIC1 + 1, al
        PRINT "idle: "
        PRINT_DEC ebp
        PRINT " ticks slept through", 10
        ret

tick:   push eax
        mov al, PIC_EOI
        out PIC1, al
        pop eax
        iretd

; ======================================================================================================== command line
; parse_command_line: EBX = Multiboot information. Fills `storm` with a letter, and `loops`.
parse_command_line:
        test dword [ebx], 1 << 2        ; flags: is there a command line (Multiboot 3.3)?
        jz .done
        mov esi, [ebx + 16]
.next:  mov al, [esi]
        test al, al
        jz .done
        cmp dword [esi], 'stor'
        jne .count
        cmp word [esi + 4], 'm='
        jne .skip
        mov al, [esi + 6]
        mov [storm], al
        jmp .skip
.count: cmp dword [esi], 'loop'
        jne .skip
        cmp word [esi + 4], 's='
        jne .skip
        add esi, 6
        xor eax, eax
.digit: movzx edx, byte [esi]
        sub edx, '0'
        cmp edx, 9
        ja .counted
        imul eax, eax, 10
        add eax, edx
        inc esi
        jmp .digit
.counted:
        mov [loops], eax
        jmp .next
.skip:  inc esi
        jmp .next
.done:  ret

        section .data
        align 4
loops:  dd DEFAULT_LOOPS
storm:  db 0

        section .bss
        alignb 4096
directory:      resb 4096
window_table:   resb 4096
faults:         resd 1
