"""Common passwords: those of at least 8 characters that stand first in the lists that guessing begins with."""

WORDS = """
12345678 123456789 1234567890 12345678910 123123123 987654321 87654321 0987654321 0123456789 01234567 012345678 1234512345
11111111 111111111 1111111111 00000000 000000000 0000000000 22222222 33333333 44444444 55555555 66666666 77777777 88888888
88888888888 99999999 999999999 12341234 12344321 12121212 11223344 1122334455 112233445566 11112222 12312312 123321123
147258369 147852369 159357159 159753159 741852963 789456123 963852741 789789789 456456456 321321321 13131313 20202020
10101010 69696969 14141414 31415926 18181818 12345679 1234567a 12345678a 123456789a 123456789q 1q2w3e4r 1q2w3e4r5t
1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 1qaz1qaz q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 zaq12wsx zaq1zaq1 zaq1xsw2 qazwsxedc
qwertyui qwertyuiop qwertyuiop123 qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertyqwerty qwerty00 qwe123qwe
qweqweqwe qweasdzxc qweasd123 qwer1234 1234qwer 123qweasd 123qweasdzxc asdfghjk asdfghjkl asdfasdf asdf1234 asdasdasd
asd123asd zxcvbnm1 zxcvbnm123 zxcvbnmm zxcvbnm, qazwsx123 qazwsx12 aaaaaaaa aaaaaaaaa aaaaaaaaaa abcdefgh abcdefghi abcdefg1
abcd1234 abcd12345 abc12345 abc123456 abc123abc abcabcabc a1234567 a12345678 a123456789 a1b2c3d4 a1b2c3d4e5 1a2b3c4d aa123456
aa12345678 aaaa1111 xxxxxxxx zzzzzzzz
password password! password. password0 password00 password01 password1 password1! password11 password12 password12! password123
password123! password1234 password12345 password123456 password2 password3 password4 password5 password6 password7 password8
password9 password10 password13 password21 password22 password23 password69 password77 password88 password99 password2020
password2021 password2022 password2023 password2024 password2025 password2026 passwordpassword passw0rd passw0rd! passw0rd1
p@ssword p@ssword1 p@ssword123 p@ssw0rd p@ssw0rd! p@ssw0rd1 p@ssw0rd12 p@ssw0rd123 p@$$w0rd p@$$word pa$$w0rd pa$$word
pa55word pa55w0rd passpass passwort passwort1 passwort123 motdepasse contrasena mypassword thepassword newpassword
changeme changeme! changeme1 changeme123 changeit letmein! letmein1 letmein12 letmein123 letmeinnow letmein2 welcome1 welcome1!
welcome12 welcome123 welcome123! welcome1234 welcome2 welcome01 welcome2024 welcome2025 welcome2026 welcomehome administrator
admin123 admin123! admin1234 admin12345 admin123456 adminadmin admin@123 administrador root1234 rootroot toor1234 superuser
superman superman1 superstar sysadmin testtest test1234 test12345 test123456 testing1 testing123 tester12 testpass testpassword
default1 defaultpassword guest123 guest1234 user1234 username user12345 login123 loginlogin secret123 secretpassword topsecret
temp1234 temppass temporary p4ssw0rd iloveyou iloveyou! iloveyou1 iloveyou12 iloveyou123 iloveyou2 iloveu123 loveyou1 lovelove
loveme123 iloveyouforever ihateyou sunshine sunshine1 sunshine123 princess princess1 princess123 princesa football football1
football123 baseball baseball1 baseball123 basketball basketball1 softball softball1 volleyball swimming hockey123 soccer123
liverpool liverpool1 chelsea1 chelsea123 arsenal1 arsenal123 barcelona barcelona1 juventus realmadrid manchester
charlie1 charlie123 michael1 michael123 jennifer jennifer1 jonathan jordan23 jordan123 daniel123 danielle danielle1 michelle
michelle1 jessica1 jessica123 ashley123 anthony1 anthony123 nicholas nicholas1 benjamin benjamin1 alexander alexander1 alexandra
samantha samantha1 stephanie elizabeth elizabeth1 victoria victoria1 veronica patricia valentina christian christina christopher
matthew1 matthew123 andrew123 thomas123 william1 william123 robert123 brandon1 brandon123 hannah123 gabriel1 sebastian isabella
isabelle francesca katherine margaret caroline charlotte scarlett
computer computer1 computer123 internet internet1 internet123 whatever whatever1 trustno1 trustno1! starwars starwars1 pokemon1
pokemon123 pokemon12 minecraft minecraft1 minecraft123 dragon12 dragon123 dragonball monkey12 monkey123 master12 master123
shadow12 shadow123 hunter12 hunter123 killer123 freedom1 freedom123 mustang1 corvette corvette1 ferrari1 mercedes porsche911
harley123 maverick maverick1 midnight midnight1 mountain snowball snowball1 butterfly butterfly1 chocolate chocolate1 cupcake1
strawberry blueberry pineapple banana123 cheese123 cookie123 pepper123 ginger123 buster123 rainbow1 rainbow123
unicorn1 unicorn123 dolphin1 dolphins elephant elephant1 panther1 diamond1 diamonds platinum goldfish blahblah blessed1
jesus123 jesuschrist godisgood heavenly spiderman spiderman1 batman123 bubbles1 babygirl babygirl1 babyboy1 beautiful beautiful1
gorgeous handsome fuckyou1 fuckyou! fuckyou123 fuckyou2 fuckoff1 asshole1 bullshit slipknot metallica metallica1 nirvana1
greenday1 eminem123 guitar123 music123 hello123 hello1234 hello12345 helloworld hellohello helloworld1 goodluck qwertz123
qwertzui azertyui azertyuiop azerty123 azerty12 samsung1 samsung123 apple123 google123 facebook facebook1 linkedin
dropbox1 myspace1 nintendo playstation warcraft starcraft blizzard counterstrike callofduty 1234abcd 12345abc 123456abc 12345qwert
123abc123 123456aa 123456qwerty 1234567q 12345qwe 1password summer12 summer123 summer2023 summer2024 summer2025
summer2026 winter123 winter2023 winter2024 winter2025 winter2026 spring2024 spring2025 spring2026 autumn2024 autumn2025
autumn2026 january1 february september september1 november december december1 monday123 friday13 company1 company123 business
business1 roomlog1 roomlog12 roomlog123 correcthorsebatterystaple
"""
COMMON = frozenset(WORDS.split())
